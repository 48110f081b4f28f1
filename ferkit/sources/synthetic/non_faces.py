"""Pictures that are not a face, of the kinds that image search left in FER-2013."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import SIZE

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["NON_FACE_KINDS", "draw_non_face"]

_NOTICES = (
    ("sorry,", "this person moved", "or deleted", "this image."),
    ("this photo is", "currently", "unavailable"),
    ("image not", "available"),
    ("no photo", "coming soon"),
    ("cette photo", "n'est pas", "disponible", "desole"),
    ("file removed", "error 404", "not found"),
)
_BANNERS = ("SHOP", "26.2", "WIKI", "stock", "SALE", "NEWS", "foto", "2013")


def draw_non_face(kind: str, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one picture of a kind.

    Parameters
    ----------
    kind
        One of `NON_FACE_KINDS`.

    Returns
    -------
    (48, 48) uint8
    """
    return _DRAW[kind](rng)


def _text(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A notice of several lines, or one large word, often cut by the frame."""
    from PIL import Image, ImageDraw, ImageFont

    paper, ink = (255, int(rng.integers(0, 110))) if rng.random() < 0.75 else (int(rng.integers(90, 160)), 235)
    sheet = Image.new("L", (4 * SIZE, 4 * SIZE), paper)
    draw = ImageDraw.Draw(sheet)
    if rng.random() < 0.65:
        size = int(rng.integers(20, 36))
        left, top = int(rng.integers(-40, 12)), int(rng.integers(0, 50))
        for number, line in enumerate(_NOTICES[rng.integers(len(_NOTICES))]):
            draw.text((left, top + 1.35 * size * number), line, fill=ink, font=ImageFont.load_default(size))
    else:
        size = int(rng.integers(70, 110))
        for number in range(2):
            word = _BANNERS[rng.integers(len(_BANNERS))]
            place = (int(rng.integers(-40, 15)), int(90 * number + rng.integers(-15, 10)))
            draw.text(place, word, fill=ink, font=ImageFont.load_default(size))
    return _reduced(sheet)


def _icon(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A warning sign, a no-entry sign, a play button, a question mark, or a logo."""
    from PIL import Image, ImageDraw, ImageFont

    dark = rng.random() < 0.6
    paper, ink = (0, 240) if dark else (255, int(rng.integers(20, 190)))
    sheet = Image.new("L", (4 * SIZE, 4 * SIZE), paper)
    draw = ImageDraw.Draw(sheet)
    x, y = (int(each) for each in rng.integers(75, 118, 2))
    r = int(rng.integers(36, 80))
    shape = rng.integers(5)
    if shape == 0:
        draw.polygon([(x, y - r), (x - r, y + 0.8 * r), (x + r, y + 0.8 * r)], outline=ink, width=max(5, r // 8))
        draw.rectangle((x - r // 10, y - 0.35 * r, x + r // 10, y + 0.3 * r), fill=ink)
        draw.ellipse((x - r // 9, y + 0.42 * r, x + r // 9, y + 0.64 * r), fill=ink)
    elif shape == 1:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=ink)
        draw.rectangle((x - 0.65 * r, y - 0.18 * r, x + 0.65 * r, y + 0.18 * r), fill=paper)
    elif shape == 2:
        draw.rounded_rectangle((x - 1.2 * r, y - 0.8 * r, x + 1.2 * r, y + 0.8 * r), radius=r // 4, fill=ink)
        draw.polygon([(x - 0.3 * r, y - 0.45 * r), (x - 0.3 * r, y + 0.45 * r), (x + 0.5 * r, y)], fill=paper)
    elif shape == 3:
        draw.text((x - 0.55 * r, y - 1.3 * r), "?", fill=ink, font=ImageFont.load_default(2 * r))
    else:
        for ring in range(3):
            edge = r * (1 - ring / 3)
            draw.ellipse((x - edge, y - edge, x + edge, y + edge), fill=(ink, paper)[ring % 2])
    return _reduced(sheet)


def _black(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A frame that is black throughout, or all but black."""
    frame = np.zeros((SIZE, SIZE), dtype=np.uint8)
    if rng.random() < 0.5:
        frame += rng.integers(0, 3, frame.shape, dtype=np.uint8)
    return frame


def _flat(rng: np.random.Generator) -> NDArray[np.uint8]:
    """One grey, or a slight gradient, as of a blank wall or a page's edge."""
    base, slope = rng.uniform(60, 250), rng.choice([0.0, 0.0, 0.25, 0.5]) * rng.choice([-1, 1])
    frame = np.broadcast_to(base + slope * np.arange(SIZE)[:, None], (SIZE, SIZE))
    grey: NDArray[np.uint8] = np.clip(np.rint(frame), 0, 255).astype(np.uint8)
    return grey


def _stripes(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A frame that failed to decode: lines or blocks, part of it grey."""
    lines = rng.integers(0, 256, SIZE // 2).repeat(2)
    frame = np.broadcast_to(lines[:, None], (SIZE, SIZE)).astype(np.float64)
    if rng.random() < 0.5:
        blocks = rng.integers(0, 256, (SIZE // 8, SIZE // 8)).repeat(8, axis=0).repeat(8, axis=1)
        frame = 0.5 * (frame + blocks)
    if rng.random() < 0.5:
        frame = frame.T
    frame = frame.copy()
    frame[int(rng.integers(24, 49)) :] = 128
    grey: NDArray[np.uint8] = np.clip(np.rint(frame + rng.normal(0, 4, frame.shape)), 0, 255).astype(np.uint8)
    return grey


def _placeholder(rng: np.random.Generator) -> NDArray[np.uint8]:
    """What a site shows in place of a picture: a camera, three dots in a box, or a crossed box."""
    from PIL import Image, ImageDraw

    paper = int(rng.integers(225, 256))
    ink = int(rng.integers(110, 200))
    sheet = Image.new("L", (4 * SIZE, 4 * SIZE), paper)
    draw = ImageDraw.Draw(sheet)
    x, y = (int(each) for each in rng.integers(60, 132, 2))
    shape = rng.integers(3)
    r = int(rng.integers(50, 85))
    box = (x - r, y - 0.68 * r, x + r, y + 0.68 * r)
    if shape == 0:
        draw.rounded_rectangle(box, radius=r // 5, fill=ink)
        draw.rectangle((x - 0.35 * r, y - 0.9 * r, x + 0.35 * r, y - 0.6 * r), fill=ink)
        draw.ellipse((x - 0.45 * r, y - 0.45 * r, x + 0.45 * r, y + 0.45 * r), fill=paper)
        draw.ellipse((x - 0.28 * r, y - 0.28 * r, x + 0.28 * r, y + 0.28 * r), fill=ink)
    elif shape == 1:
        draw.rounded_rectangle(box, radius=r // 5, fill=ink)
        for dot in (-0.45, 0.0, 0.45):
            draw.ellipse((x + (dot - 0.12) * r, y - 0.12 * r, x + (dot + 0.12) * r, y + 0.12 * r), fill=paper)
    else:
        draw.rectangle(box, outline=ink, width=6)
        draw.line((box[0], box[1], box[2], box[3]), fill=ink, width=6)
        draw.line((box[0], box[3], box[2], box[1]), fill=ink, width=6)
    return _reduced(sheet)


def _reduced(sheet: "Image.Image") -> NDArray[np.uint8]:
    """(48, 48) uint8 of a sheet four times that size, each pixel the mean of those it covers."""
    picture: NDArray[np.uint8] = np.asarray(sheet.reduce(4), dtype=np.uint8)
    return picture


_DRAW: Final[dict[str, Callable[[np.random.Generator], NDArray[np.uint8]]]] = {
    "text": _text,
    "icon": _icon,
    "black": _black,
    "flat": _flat,
    "stripes": _stripes,
    "placeholder": _placeholder,
}
NON_FACE_KINDS: Final = tuple(_DRAW)
