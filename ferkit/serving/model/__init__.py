"""The model in use: taken from the registry, replaced while it answers, asked in batches."""
