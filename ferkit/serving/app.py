"""The Flask application."""

import logging
import os
import time

from flask import Blueprint, Flask, Response, g, jsonify, render_template, request
from markdown_it import MarkdownIt
from werkzeug.exceptions import ClientDisconnected, HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from ferkit.detection.loading import load_detector
from ferkit.serving.api import admit_request, api, require_token
from ferkit.serving.backend import EXTENSION, Backend, backend
from ferkit.serving.client import gone_of
from ferkit.serving.decoders import Decoders
from ferkit.serving.decoding import draw_preview
from ferkit.serving.errors import ApiError
from ferkit.serving.health import health
from ferkit.serving.limits import Budget, RateLimit
from ferkit.serving.metrics import Metrics
from ferkit.serving.model.batcher import Batcher
from ferkit.serving.model.live_model import LiveModel
from ferkit.serving.openapi import openapi
from ferkit.serving.requests import UploadRequest, drain
from ferkit.serving.responses import about_model
from ferkit.serving.security import add_headers
from ferkit.serving.settings import ServingSettings

__all__ = ["card", "create_app", "index", "page", "preview"]

_LOG = logging.getLogger(__name__)
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
    # Werkzeug holds the 64 KiB that it reads at a time to it, too; `ferkit.serving.requests` allows texts far less.
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
    _handle_errors(app)
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
            prepare=lambda classifier: batcher.meet(classifier, classifier.blank(1)),
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


def _handle_errors(app: Flask) -> None:
    settings: ServingSettings = app.extensions[EXTENSION].settings
    too_slow = (
        f"the body came too slowly, expected no pause of more than {settings.body_seconds:g} s, and all of it within "
        f"{settings.upload_seconds:g} s."
    )

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
            return _error("too_slow", too_slow), 408, {}
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
    metrics: Metrics = app.extensions[EXTENSION].metrics

    @app.before_request
    def _begin() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def _end(response: Response) -> Response:
        # The rule, not the path: a client can invent paths without end.
        endpoint = request.url_rule.rule if request.url_rule else "unknown"
        metrics.saw_request(endpoint, request.method, response.status_code, time.perf_counter() - g.started)
        return response


page = Blueprint("page", __name__)


# A card comes with a model, from whoever registered it: its HTML is shown as text, and it brings no pictures.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


# Of the longer side, in pixels: more than a window has room for.
_PREVIEW_SIDE = 1600


@page.get("/")
def index() -> str:
    """The page of the service."""
    return render_template("index.html", most_megabytes=backend().settings.most_bytes / 1e6)


@page.post("/preview")
def preview() -> Response:
    """A picture as JPEG, upright and not too large, for browsers that cannot show what the service can read."""
    require_token()
    with admit_request() as (service, _, pictures):
        drawn = draw_preview(pictures[0], service, gone_of(request), side=_PREVIEW_SIDE)
    return Response(drawn, content_type="image/jpeg")


@page.get("/card")
def card() -> str:
    """The card of the model that answers, as a piece of HTML."""
    require_token()
    written = str(about_model(backend().model.current())["card_markdown"])
    tokens = _MARKDOWN.parse(written or "This model came without a card.")
    for token in tokens:
        # The policy of this service allows no inline style, which is how columns of numbers are set right.
        if "right" in str(token.attrs.pop("style", "")):
            token.attrSet("class", "number")
    return str(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))
