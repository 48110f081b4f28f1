"""The Flask application."""

import logging
import os
import time

from flask import Flask, Response, g, jsonify, request
from werkzeug.exceptions import ClientDisconnected, HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from ferkit.detection import load_detector
from serving.api import api
from serving.backend import EXTENSION, Backend
from serving.batcher import Batcher
from serving.budget import Budget
from serving.decoders import Decoders
from serving.errors import ApiError
from serving.health import health
from serving.live_model import LiveModel
from serving.metrics import Metrics
from serving.openapi import openapi
from serving.page import page
from serving.rate_limit import RateLimit
from serving.security import add_headers
from serving.settings import ServingSettings
from serving.uploads import UploadRequest, drain

__all__ = ["create_app"]

_LOG = logging.getLogger("ferkit.serving")
# Bodies of this many largest requests are in memory at a time.
_BODIES = 4
# Of one client in a minute: enough for a person who mistypes it, too few to guess.
_WRONG_TOKENS = 10
# Codes of errors that Flask itself finds, by status.
_CODES = {
    400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large",
    415: "wrong_content_type",
}  # fmt: skip


def create_app(settings: ServingSettings, model: LiveModel | None = None) -> Flask:
    """The service.

    Parameters
    ----------
    model
        What answers, already started; None: the one that the settings describe, which is then read in a thread.

    Raises
    ------
    ConfigError
        If the detector is not installed.
    """
    app = Flask(__name__)
    app.request_class = UploadRequest
    app.config["MAX_CONTENT_LENGTH"] = settings.most_bytes
    # Werkzeug holds the 64 KiB that it reads at a time to it, too; `serving.uploads` allows texts far less.
    app.config["MAX_FORM_MEMORY_SIZE"] = 200_000
    app.config["MAX_FORM_PARTS"] = settings.most_pictures + 10
    app.config["TRUSTED_HOSTS"] = [name.strip() for name in settings.hosts.split(",") if name.strip()] or None
    # Classes keep their order.
    app.json.sort_keys = False  # type: ignore[attr-defined]
    if settings.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, settings.proxies, settings.proxies)  # type: ignore[method-assign]
    app.extensions[EXTENSION] = _backend(settings, model)
    app.register_blueprint(api)
    app.register_blueprint(health)
    app.register_blueprint(openapi)
    app.register_blueprint(page)
    add_headers(app)
    _tell_errors(app)
    _measure(app)
    return app


def _backend(settings: ServingSettings, model: LiveModel | None) -> Backend:
    metrics = Metrics()
    patience = settings.patience_seconds
    batcher = Batcher(settings.most_batch, settings.most_waiting, patience, on_batch=metrics.saw_batch)
    if model is None:
        model = LiveModel(
            settings.cache,
            settings.reload_seconds,
            fallback=settings.bundle,
            registry=settings.bundle is None and bool(os.environ.get("MLFLOW_TRACKING_URI")),
            prepare=batcher.meet,
        )
        model.start()
    return Backend(
        settings=settings,
        model=model,
        batcher=batcher,
        detector=load_detector(settings.detector),
        metrics=metrics,
        rate_limit=RateLimit(settings.requests_a_minute),
        inspectors=Decoders(1, patience),
        decoders=Decoders(settings.decoders, patience, settings.detector),
        wrong_tokens=RateLimit(_WRONG_TOKENS, "wrong tokens"),
        requests=Budget(settings.most_requests, "requests", 0.0),
        content=Budget(_BODIES * settings.most_bytes, "bytes", patience),
        pixels=Budget(settings.most_pixels, "pixels", patience),
        large_pictures=Budget(settings.decoders - 1, "large pictures", patience),
        explanations=Budget(1, "explanations", patience),
    )


def _tell_errors(app: Flask) -> None:
    patience = app.extensions[EXTENSION].settings.body_seconds

    @app.errorhandler(ApiError)
    def _refused(error: ApiError) -> tuple[Response, int, dict[str, str]]:
        drain(request)
        return _error(error.code, str(error)), error.status, error.headers

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> tuple[Response, int, dict[str, str]] | HTTPException:
        status = error.code or 500
        if status < 400:
            return error
        if isinstance(error, ClientDisconnected):
            return _error("too_slow", f"nothing more of the body came within {patience:g} s."), 408, {}
        drain(request)
        # Werkzeug's own: Allow, for instance.
        headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
        return _error(_CODES.get(status, "refused"), error.description or error.name), status, headers

    @app.errorhandler(Exception)
    def _bug(error: Exception) -> tuple[Response, int]:
        _LOG.error("%s %s failed", request.method, request.path, exc_info=error)
        return _error("internal", "an error of the service; its log tells more."), 500


def _error(code: str, message: str) -> Response:
    return jsonify(error={"code": code, "message": message})


def _measure(app: Flask) -> None:
    service: Backend = app.extensions[EXTENSION]
    metrics = service.metrics

    @app.before_request
    def _begin() -> None:
        g.started = time.perf_counter()
        if connection := request.environ.get("gunicorn.socket"):
            # Without an end a client that sends nothing would hold a thread for ever.
            connection.settimeout(service.settings.body_seconds)

    @app.after_request
    def _end(response: Response) -> Response:
        # The rule, not the path: a client can invent paths without end.
        endpoint = request.url_rule.rule if request.url_rule else "unknown"
        metrics.saw_request(endpoint, request.method, response.status_code, time.perf_counter() - g.started)
        return response
