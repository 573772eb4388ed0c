"""Tables on the command line: CSV and Parquet files to train on, predict and evaluate. Needs pandas, scikit-learn.

| module | what it knows |
|---|---|
| files | endings of table files, and that the libraries are there |
| dialect | encoding, separator and decimal sign of a text file |
| reading | a file as a data frame; errors name file, line, column and cure |
| columns, values | what each column holds, and text as numbers, dates and booleans |
| target | the task, rows that are left out, and the test part |
| estimators | the adapter to `pynn.sklearn` and to model files |
| scores, importance | how good the model is, beside a trivial one, and which columns it goes by |
| text | all of this as text for the terminal |
| train, predict, evaluate | the commands |
"""
