"""The page: one document, its scripts and styles from this service, and the card of the model as HTML."""

from flask import Blueprint, Response, render_template, request
from markdown_it import MarkdownIt

from serving.api import asked, require_token
from serving.backend import backend
from serving.client import gone_of
from serving.model_answer import about_model
from serving.reading import draw_preview

__all__ = ["page"]

page = Blueprint("page", __name__)

# A card comes with a model, from whoever registered it: its HTML is shown as text, and it brings no pictures.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


# Of the longer side, in pixels: more than a window has room for.
_PREVIEW_SIDE = 1600


@page.get("/")
def index() -> str:
    """The page."""
    return render_template("index.html", most_megabytes=backend().settings.most_bytes / 1e6)


@page.post("/preview")
def preview() -> Response:
    """A picture as JPEG, upright and not too large, for browsers that cannot show what the service can read."""
    require_token()
    with asked() as (service, _, pictures):
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
