"""Runs of the pipeline that are over: what is written down about them, and `ferkit runs`."""
