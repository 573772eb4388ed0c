"""Words of other programs on the command line, and their equivalents. Knows only text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# Options, and their names in other programs without leading dashes.
OPTIONS = {
    "--learning-rate": ("lr", "eta", "eta0", "step_size", "rate", "base_lr", "learning_rate_init"),
    "--batch-size": ("b", "bs", "batch", "minibatch", "train_batch_size", "per_device_batch_size"),
    "--epochs": ("e", "n", "epoch", "n_epochs", "num_epochs", "max_epochs", "max_iter"),
    "--layers": ("hidden", "hidden_layers", "hidden_layer_sizes", "hidden_size", "units", "widths", "width"),
    "--model": ("m", "net", "network", "arch", "architecture", "backbone"),
    "--optimizer": ("opt", "optim", "solver", "optimiser"),
    "--weight-decay": ("wd", "decay"),
    "--schedule": ("scheduler", "sched", "lr_scheduler", "lr_schedule", "lr_decay"),
    "--activation": ("act", "nonlinearity"),
    "--batchnorm": ("bn", "norm", "batch_normalization"),
    "--dropout": ("p", "dropout_rate", "drop_rate"),
    "--augment": ("aug", "augmentation", "augmentations", "transform", "transforms", "data_augmentation"),
    "--validation": ("val", "validation_split", "val_split", "val_size", "validation_fraction"),
    "--test": ("test_size", "holdout", "test_split", "test_fraction", "test_share"),
    "--target": ("y", "label", "labels", "label_column", "target_column", "predict", "response", "outcome"),
    "--task": ("objective", "problem_type", "problem", "type"),
    "--preset": ("presets", "quality", "recipe"),
    "--space": ("search_space", "param_space", "param_distributions", "param_grid", "hyperparameters", "hp", "config"),
    "--trials": ("n_trials", "num_trials", "max_trials", "n_iter", "num_samples", "n_samples", "evals", "max_evals"),
    "--stages": ("coarse_to_fine", "rounds", "halving", "rungs"),
    "--go-on": ("warm_start", "warmstart", "go_on", "continue"),
    "--sampler": ("algo", "algorithm", "search_alg", "tuner", "strategy", "search", "bayesian"),
    "--pruner": ("pruning", "stopper", "asha", "hyperband", "median"),
    "--storage": ("study", "journal", "db", "database", "study_name", "storage_path", "project_name"),
    "--folds": ("cv", "k", "k_fold", "kfold", "k_folds", "n_splits", "n_folds", "cross_validation"),
    "--metric": ("metrics", "scoring", "objective_metric", "score", "eval_metric"),
    "--time-budget": ("time_limit", "timeout", "max_time", "budget", "seconds", "time"),
    "--ensemble": ("n_ens", "bags", "n_models", "num_models", "members"),
    "--drop": ("exclude", "ignore", "drop_columns", "drop_cols", "skip"),
    "--categorical": ("cat", "cats", "cat_features", "categorical_features", "categorical_feature", "cat_cols"),
    "--encoding": ("charset", "codec"),
    "--force": ("f", "overwrite"),
    "--invert": ("inverted", "negative"),
    "--l2": ("alpha", "reg", "regularization", "penalty", "lambda", "l2_reg"),
    "--seed": ("random_state", "random_seed", "manual_seed"),
    "--threads": ("j", "jobs", "n_jobs", "workers", "num_workers", "num_threads", "cores", "cpus"),
    "--jobs": ("j", "n_jobs", "workers", "num_workers", "n_workers", "processes", "parallel"),  # if both are there
    "--output": ("o", "out", "save", "save_path", "output_dir", "checkpoint_path", "model_path"),
    "--data": ("d", "root", "path", "data_dir", "data_root", "data_path", "dataset_path", "data_folder"),
    "--run": ("run_dir", "run_folder", "logdir", "log_dir", "log", "monitor", "tensorboard"),
    "--report": ("html", "html_report", "dashboard"),
    "--live": ("serve", "watch", "follow", "port"),
    "--quick": ("fast", "short", "brief", "smoke"),
    "--explain": ("describe", "about", "why", "text", "doc", "docs"),
    "--lang": ("language", "locale", "l"),
    "--seeds": ("repetitions", "repeats", "repeat", "n_seeds", "num_seeds"),
    "--again": ("rerun", "no_cache", "fresh", "restart"),
    "--dtype": ("precision", "float", "double"),
    "--quiet": ("q", "s", "silent", "no_progress"),
    "--help": ("usage", "?"),
    "--version": ("v", "V"),
}
SENTENCES = {  # for options without an equivalent
    "data set": "name the data set without an option: pynn train mnist",
    "momentum": "use --optimizer momentum or --optimizer nesterov",
    "cpu": "pynn runs on the CPU only",
    "verbose": "output is verbose unless --quiet is set",
    "stop": "use early stopping from Python: fit(callbacks=[pynn.EarlyStopping()])",
    "resume": "resume a run from Python: fit(checkpoint='folder', resume=True)",
    "loss": "the loss is softmax cross-entropy; choose another from Python: fit(loss=...)",
    "plot": "the picture is drawn unless --no-plot is set",
    "keep": "--dropout is the share that is dropped: 0.2 keeps 0.8",
    "steps": "the length of training is set in epochs: --epochs",
    "no dropout": "write --dropout 0",
    "no augment": "write --augment none",
    "no validation": "write --validation 0",
}
ASKED = {
    "data set": ("dataset", "data_set", "ds", "name"),
    "momentum": ("momentum", "nesterov", "beta1", "betas"),
    "cpu": ("device", "gpu", "gpus", "cuda", "no_cuda", "accelerator", "cpu", "use_gpu"),
    "verbose": ("verbose", "verbosity", "progress", "debug"),
    "stop": ("patience", "early_stopping", "early_stop"),
    "resume": ("resume", "checkpoint", "checkpoints", "ckpt", "resume_from", "load"),
    "loss": ("loss", "criterion", "loss_function"),
    "plot": ("plot", "figure", "picture"),
    "keep": ("keep", "keep_prob", "keep_rate"),
    "steps": ("steps", "max_steps", "iterations", "iters", "num_steps"),
    "no dropout": ("no_dropout",),
    "no augment": ("no_augment", "no_augmentation"),
    "no validation": ("no_validation", "no_val"),
}
COMMANDS = {
    "train": ("fit", "learn", "run", "start"),
    "search": ("tune", "tuner", "sweep", "optimize", "hpo", "hyperparameters", "study", "random_search", "grid_search"),
    "evaluate": ("eval", "test", "score", "validate", "measure", "accuracy"),
    "predict": ("classify", "infer", "inference", "recognize", "guess"),
    "report": ("html", "dashboard", "tensorboard", "visualize", "compare"),
    "doctor": ("diagnose", "check", "debug", "diagnosis", "verdicts"),
    "lab": ("experiment", "experiments", "course", "lessons", "demo", "demos", "examples", "claims", "tutorial"),
    "info": ("show", "about", "env", "collect_env"),
    "--help": ("help",),
    "--version": ("version",),
}
CHOICES = {  # values of options by other names
    "mlp": ("dense", "fc", "fully_connected", "perceptron", "linear"),
    "lenet5": ("lenet", "cnn"),
    "deep_convnet": ("convnet",),
    "vgg_small": ("vgg",),
    "silu": ("swish",),
    "step": ("multistep", "steplr"),
    "constant": ("none", "fixed", "flat"),
    "flip": ("hflip", "horizontal_flip", "random_horizontal_flip", "mirror"),
    "crop": ("random_crop", "pad", "shift", "translate"),
    "colour": ("color", "color_jitter", "hue"),
    "zoom": ("scale", "resize", "random_resized_crop"),
}


def plain(text: str) -> str:
    """A name without differences in spelling: --batch_size is batchsize."""
    return "".join(filter(str.isalnum, text.lower()))


def like(text: str, known: Iterable[str], foreign: Mapping[str, Iterable[str]]) -> str | None:
    """The known name that this text means or resembles, else None."""
    names = {plain(choice): choice for choice in known}
    by_foreign = {
        plain(word): choice for choice, words in foreign.items() if choice in names.values() for word in words
    }
    all_names = {**by_foreign, **names}
    key = plain(text)
    if key in all_names:
        return all_names[key]
    import difflib  # here: only errors need it

    close = difflib.get_close_matches(key, all_names, 1, 0.7)
    if close:
        return all_names[close[0]]
    begins = [choice for name, choice in names.items() if len(key) > 2 and name.startswith(key[:3])]
    return begins[0] if len(begins) == 1 else None


def about(option: str) -> str | None:
    """A sentence about an option that pynn does not have."""
    key = plain(option)
    return next((SENTENCES[name] for name, words in ASKED.items() if key in map(plain, words)), None)
