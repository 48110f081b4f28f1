"""Drawn faces with the flaws of real data, for tests and first runs."""
