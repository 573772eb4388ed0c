"""Options of ``pynn search`` that do not fit what is searched, and what to do instead."""

SEARCHED = "write into --space what a table's network is to have, as {choice = [VALUE]} if it is fixed"
FOR_DATASETS = dict.fromkeys(
    ("model", "layers", "activation", "batchnorm", "dropout", "dtype", "optimizer", "learning_rate", "schedule",
     "weight_decay", "augment", "batch_size", "l2"), SEARCHED,
)  # fmt: skip
FOR_DATASETS["data"] = "write the path of the table instead: pynn search FOLDER/data.csv"
FOR_TABLES = {
    "target": "the data sets have classes of their own",
    "task": "the data sets have classes",
    "test": "the data sets have a test part of their own; --validation is the share for validation",
    "drop": "--dropout is the share of each hidden layer that is dropped",
    "categorical": "the data sets are images",
    "encoding": "the data sets have no text",
    "force": "a data set's model is overwritten in any case",
}
