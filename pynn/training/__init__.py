"""A run of training: `fit`, its data, its loop, its checkpoints; evaluation and prediction."""
