"""``pynn search``: hyperparameters of a data set's network or of a table's. Needs Optuna when it runs, not before.

| module | what it knows |
|---|---|
| options | the command's options and its help |
| command | the search from the options to the files |
| parameters | what a space may hold, and how its values become options |
| images | the networks of the data sets as trials |
| tables | the networks of tables as trials |
| showing | spaces and trials as text for the terminal |
"""
