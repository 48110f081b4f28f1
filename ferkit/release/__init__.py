"""From a run to a bundle: choice, judging, tables, model card; the shipped models."""
