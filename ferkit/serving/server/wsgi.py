"""The application for a WSGI server, with the settings that the environment gives.

gunicorn --config python:ferkit.serving.server.gunicorn_config ferkit.serving.server.wsgi:app
"""

import os

from ferkit.serving.app import create_app
from ferkit.serving.backend import EXTENSION
from ferkit.serving.limits import return_freed_memory
from ferkit.serving.settings import ServingSettings

__all__ = ["app"]

# A registry that is away is asked again later; MLflow's own patience, minutes of it, would hold up the start.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

return_freed_memory()
app = create_app(ServingSettings.from_environment())
# While the model is read.
for decoders in (app.extensions[EXTENSION].inspectors, app.extensions[EXTENSION].decoders):
    decoders.start()
