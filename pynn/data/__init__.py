"""Arrays, batches, splits and augmentation: from what users have to what a model takes."""
