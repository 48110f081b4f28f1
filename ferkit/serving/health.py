"""``/healthz``, ``/readyz`` and ``/metrics``: for those who run the service."""

from contextlib import suppress
from dataclasses import asdict

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from ferkit.serving.api import require_token
from ferkit.serving.backend import backend
from ferkit.serving.errors import NotReadyError
from ferkit.serving.responses import model_of

__all__ = ["health"]

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> Response:
    """Endpoint ``/healthz``: 200 while the process answers."""
    return jsonify(status="ok")


@health.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Endpoint ``/readyz``: 200 once a model answers, also while the registry is away."""
    model = backend().model
    try:
        served = model.current()
        served.require_ready()
    except NotReadyError as error:
        return jsonify(status="not_ready", reason=str(error), registry=asdict(model.registry)), 503
    return jsonify(status="ready", model=model_of(served), registry=asdict(model.registry)), 200


@health.get("/metrics")
def metrics() -> Response:
    """Endpoint ``/metrics``: the counters in Prometheus' text format."""
    require_token()
    service = backend()
    counters, model = service.metrics, service.model
    counters.waiting.set(service.batcher.waiting)
    counters.registry_up.set({"ok": 1, "away": 0}.get(model.registry.state, -1))
    with suppress(NotReadyError):
        served = model.current()
        counters.note_model(served.name, served.version, served.alias)
    return Response(counters.page(), content_type=CONTENT_TYPE_LATEST)
