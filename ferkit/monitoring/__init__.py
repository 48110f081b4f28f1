"""Drift: how a batch of new pictures differs from the training data."""
