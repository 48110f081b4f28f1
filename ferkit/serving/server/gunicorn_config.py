"""How gunicorn runs the service: ``--config python:ferkit.serving.server.gunicorn_config``.

One process with threads. The work is done by TensorFlow and OpenCV, which release Python's lock and use all cores; a
second process would read every model once more and could not batch with the first. The application is not preloaded:
TensorFlow's threads do not survive the fork from gunicorn's master.
"""

import logging

from ferkit.serving.redaction import Redaction
from ferkit.serving.settings import ServingSettings

_SETTINGS = ServingSettings.from_environment()

bind = f"[{_SETTINGS.host}]:{_SETTINGS.port}" if ":" in _SETTINGS.host else f"{_SETTINGS.host}:{_SETTINGS.port}"
workers = 1
worker_class = "ferkit.serving.server.worker.HeadWorker"
threads = _SETTINGS.threads
# Each is a file; systems give a process 1,024 of them. One more takes the place of the one that has been idle longest.
worker_connections = max(500, 2 * _SETTINGS.threads)
preload_app = False
# A proxy in front, and pages that stream, come again within this time.
keepalive = 30
# Requests that are under way when the service is stopped may end.
graceful_timeout = 20
# gunicorn ends a worker that gives no sign of life; threads give it while one of them works.
timeout = 60
# No log of who asked what.
accesslog = None
errorlog = "-"
loglevel = "warning"
# A header never says where the application begins, nor which scheme a client used: those that a proxy adds are
# `ferkit.serving.app`'s business, and only if `proxies` says that there is one.
forwarder_headers = ""
forwarded_allow_ips = ""
# Two services of one user would share its socket, and nobody asks there.
control_socket_disable = True


def post_fork(arbiter: object, worker: object) -> None:  # noqa: ARG001 - the signature is gunicorn's.
    """Before anything is read: no line of the log names credentials or folders."""
    Redaction().install()


def post_worker_init(worker: object) -> None:  # noqa: ARG001 - the signature is gunicorn's.
    """Show on standard error which model answers."""
    log = logging.getLogger("ferkit.serving")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
