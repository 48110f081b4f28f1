"""What runs look like in MLflow: parameters, data, numbers, descriptions, and prepared views of its pages."""
