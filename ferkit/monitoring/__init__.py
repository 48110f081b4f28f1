"""What of new pictures differs from the training data."""
