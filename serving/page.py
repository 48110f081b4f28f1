"""The page: one document, its scripts and styles from this service, and the card of the model as HTML."""

import numpy as np
from flask import Blueprint, Response, render_template
from markdown_it import MarkdownIt
from numpy.typing import NDArray

from serving.api import asked, require_token
from serving.backend import backend
from serving.model_answer import about_model
from serving.reading import decoded

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
    with asked() as (service, _, pictures), decoded(pictures[0], service) as picture:
        return Response(_jpeg(picture), content_type="image/jpeg")


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, _PREVIEW_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1])


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
