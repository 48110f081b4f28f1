"""The page: one document, its scripts and styles from this service, and the card of the model as HTML."""

from flask import Blueprint, render_template
from markdown_it import MarkdownIt

from serving.api import require_token
from serving.backend import backend
from serving.model_answer import about_model

__all__ = ["page"]

page = Blueprint("page", __name__)

# A card comes with a model, from whoever registered it: its HTML is shown as text, and it brings no pictures.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


@page.get("/")
def index() -> str:
    """The page."""
    return render_template("index.html", most_megabytes=backend().settings.most_bytes / 1e6)


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
