"""How every figure looks: colours, an empty figure, its file.

Figures are built as objects, without pyplot: no global state, no window, and the same bytes for the same numbers.
Colours are Okabe and Ito's, which colour-blind people can tell apart.
"""

from collections.abc import Iterable
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import ImageFont

__all__ = ["BLUE", "GREY", "INK", "ORANGE", "Label", "Margins", "empty_figure", "png"]

BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#B8B8B8", "#222222"
_DPI = 130


class Margins(NamedTuple):
    """Inches around the panels of a figure, and between two of them."""

    left: float
    right: float
    bottom: float
    top: float
    between: float = 0.0


def empty_figure(
    width: float,
    height: float,
    title: str,
    panels: int = 1,
    heights: tuple[int, ...] = (),
    margins: Margins | None = None,
) -> tuple["Figure", "Axes"]:
    """An empty figure, and its first panel.

    Parameters
    ----------
    width, height
        In inches.
    title
        Above the figure.
    panels
        How many stand side by side; one above the other where `heights` says how high they are to each other.
    margins
        What the texts around the panels need, where that is known; else matplotlib measures them all, which takes a
        third of the time of a figure.
    """
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=_DPI, layout=None if margins else "constrained")
    if heights:
        figure.subplots(panels, 1, height_ratios=heights)
    else:
        figure.subplots(1, panels)
    if margins:
        left, right, bottom, top, between = margins
        # Matplotlib counts a gap in widths, or heights, of a mean panel.
        across, down = (1, panels) if heights else (panels, 1)
        panel_width = (width - left - right - (across - 1) * between) / across
        panel_height = (height - bottom - top - (down - 1) * between) / down
        figure.subplots_adjust(
            left / width, bottom / height, 1 - right / width, 1 - top / height,
            wspace=between / panel_width, hspace=between / panel_height,
        )  # fmt: skip
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left", fontweight="bold")
    for axes in figure.axes:
        # Where a height is given, matplotlib does not measure all ticks to find one: half of the time of a figure.
        axes.set_title("", y=1.0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(GREY)
        axes.tick_params(labelsize=9, colors=INK)
        axes.grid(color="#E6E6E6", linewidth=0.7)
        axes.set_axisbelow(True)
    return figure, figure.axes[0]


class Label(NamedTuple):
    """A short text on a panel, centred where it stands.

    Attributes
    ----------
    x, y
        In the coordinates of the panel's data.
    text
        What is written.
    points
        Size of the letters.
    colour
        Any of matplotlib's names of a colour.
    """

    x: float
    y: float
    text: str
    points: float
    colour: str


def png(figure: "Figure", labels: Iterable[Label] = ()) -> bytes:
    """The figure as a PNG file, with `labels` on its first panel.

    Matplotlib takes a millisecond to lay out and draw each of its texts; a hundred labels take Pillow two.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image, ImageDraw

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba()))  # type: ignore[no-untyped-call]
    drawing = ImageDraw.Draw(picture)
    for each in labels:
        x, y = figure.axes[0].transData.transform((each.x, each.y))
        # Matplotlib counts rows from below.
        at = (round(x), round(picture.height - y))
        drawing.text(at, each.text, fill=each.colour, font=_font(each.points), anchor="mm")
    buffer = BytesIO()
    # Nothing shows through, and Pillow's level 6 would take twice as long for a twentieth fewer bytes.
    picture.convert("RGB").save(buffer, format="PNG", dpi=(_DPI, _DPI), compress_level=3)
    return buffer.getvalue()


@cache
def _font(points: float) -> "ImageFont.FreeTypeFont":
    """Matplotlib's own font."""
    from matplotlib.font_manager import findfont
    from PIL import ImageFont

    return ImageFont.truetype(findfont("DejaVu Sans"), points * _DPI / 72)
