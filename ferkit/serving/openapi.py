"""The description of the API (OpenAPI 3.1), and the page that shows it."""

from functools import cache
from pathlib import Path
from typing import Any, cast

from flask import Blueprint, Response, jsonify, render_template
from markdown_it import MarkdownIt
from markupsafe import Markup

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


@cache
def description() -> dict[str, Any]:
    """The OpenAPI 3.1 description of the service; a test holds it to the routes and their responses."""
    import yaml

    return cast(dict[str, Any], yaml.safe_load(_FILE.read_text(encoding="utf-8")))


@openapi.get("/openapi.json")
def as_json() -> Response:
    """Endpoint: the API's description as JSON, for programs."""
    return jsonify(description())


@openapi.get("/docs")
def as_page() -> str:
    """Endpoint: the API's description as a page, for people."""
    operations = [
        {"method": method.upper(), "path": path, **_followed(operation)}
        for path, item in description()["paths"].items()
        for method, operation in item.items()
        if method in _METHODS
    ]
    return render_template("docs.html", about=description(), operations=operations, schemas=_schemas())


def _followed(operation: dict[str, Any]) -> dict[str, Any]:
    """An operation whose parameters and responses are written out; schemas stay references, which the page links."""
    return operation | {
        "parameters": [_target(each) for each in operation.get("parameters", [])],
        "requestBody": _target(operation.get("requestBody", {})),
        "responses": {status: _target(each) for status, each in operation["responses"].items()},
    }


def _target(value: dict[str, Any]) -> dict[str, Any]:
    """What ``$ref`` names, if `value` is such a reference."""
    if "$ref" not in value:
        return value
    found: Any = description()
    for key in value["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return cast(dict[str, Any], found)


def _schemas() -> dict[str, Any]:
    return cast(dict[str, Any], description()["components"]["schemas"])
