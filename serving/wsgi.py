"""The application for a WSGI server, with the settings that the environment gives.

gunicorn --config python:serving.gunicorn_config serving.wsgi:app
"""

from serving.app import create_app
from serving.settings import ServingSettings

__all__ = ["app"]

app = create_app(ServingSettings.from_environment())
