"""The application for a WSGI server, with the settings that the environment gives.

gunicorn --config python:serving.gunicorn_config serving.wsgi:app
"""

import os

from serving.app import create_app
from serving.backend import EXTENSION
from serving.memory import return_freed_memory
from serving.settings import ServingSettings

__all__ = ["app"]

# A registry that is away is asked again later; MLflow's own patience, minutes of it, would hold up the start.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

return_freed_memory()
app = create_app(ServingSettings.from_environment())
# While the model is read.
for decoders in (app.extensions[EXTENSION].inspectors, app.extensions[EXTENSION].decoders):
    decoders.start()
