"""gunicorn: its settings, its worker, the application that it loads."""
