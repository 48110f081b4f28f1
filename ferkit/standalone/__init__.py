"""A whole run without ZenML and MLflow: ``python -m ferkit.standalone CONFIG``."""
