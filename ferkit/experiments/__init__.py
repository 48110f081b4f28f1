"""Experiments: several configurations and seeds, compared on the same pictures."""
