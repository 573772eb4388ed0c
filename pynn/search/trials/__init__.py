"""A trial: training and scoring of one model, in any process, which ends when it has become hopeless."""
