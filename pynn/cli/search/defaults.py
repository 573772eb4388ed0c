"""What ``pynn search`` takes if no option says otherwise."""

TRIALS, EPOCHS = 60, 10  # in one stage
VALIDATION = 0.2  # share of the training part
