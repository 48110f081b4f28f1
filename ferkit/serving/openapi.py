"""The description of the API (OpenAPI 3.1), and the page that shows it."""

from functools import cache
from pathlib import Path
from typing import Any, cast

from flask import Blueprint, Response, jsonify, render_template
from markdown_it import MarkdownIt
from markupsafe import Markup

from ferkit.serving.backend import backend
from ferkit.serving.model.served import Served
from ferkit.serving.model_schema import of_model

__all__ = ["description", "openapi"]

openapi = Blueprint("openapi", __name__)

_FILE = Path(__file__).with_name("openapi.yaml")
_METHODS = ("get", "post")


# The description is ours; its HTML, if it had any, would be text.
_MARKDOWN = MarkdownIt("commonmark", {"html": False})


@openapi.app_template_filter("inline_markdown")
def _inline_markdown(text: str) -> Markup:
    """A description as HTML: OpenAPI has them in CommonMark."""
    return Markup(_MARKDOWN.renderInline(text or ""))  # noqa: S704 - it escapes HTML.


def description(served: Served | None = None) -> dict[str, Any]:
    """The OpenAPI 3.1 description of the service; a test holds it to the routes and their responses.

    Parameters
    ----------
    served
        The model that answers, whose targets and classes it names; None: what holds for any.
    """
    return _for_any_model() if served is None else of_model(_for_any_model(), served)


@cache
def _for_any_model() -> dict[str, Any]:
    import yaml

    return cast(dict[str, Any], yaml.safe_load(_FILE.read_text(encoding="utf-8")))


@openapi.get("/openapi.json")
def as_json() -> Response:
    """Endpoint: the API's description as JSON, for programs."""
    return jsonify(description(backend().model.served))


@openapi.get("/docs")
def as_page() -> str:
    """Endpoint: the API's description as a page, for people."""
    served = backend().model.served
    about = description(served)
    operations = [
        {"method": method.upper(), "path": path, **_followed(operation, about)}
        for path, item in about["paths"].items()
        for method, operation in item.items()
        if method in _METHODS
    ]
    other = served.bundle.targets[-1] if served and len(served.bundle.targets) > 1 else None
    return render_template("docs.html", about=about, operations=operations, other_target=other)


def _followed(operation: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """An operation whose parameters and responses are written out; schemas stay references, which the page links."""
    return operation | {
        "parameters": [_referenced(each, about) for each in operation.get("parameters", [])],
        "requestBody": _referenced(operation.get("requestBody", {}), about),
        "responses": {status: _referenced(each, about) for status, each in operation["responses"].items()},
    }


def _referenced(value: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """What ``$ref`` names, if `value` is such a reference."""
    if "$ref" not in value:
        return value
    found: Any = about
    for key in value["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return cast(dict[str, Any], found)
