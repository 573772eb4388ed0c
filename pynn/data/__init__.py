"""Arrays, batches, splits and augmentation: from the user's data to what a model takes."""
