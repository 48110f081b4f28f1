"""How every figure looks: colours, an empty figure, its file.

Figures are built as objects, without pyplot: no global state, no window, and the same bytes for the same numbers.
Colours are Okabe and Ito's, which colour-blind people can tell apart.
"""

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BLUE", "GREY", "INK", "ORANGE", "empty_figure", "png"]

BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#B8B8B8", "#222222"
_DPI = 130


def empty_figure(
    width: float, height: float, title: str, panels: int = 1, heights: tuple[int, ...] = ()
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
    """
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=_DPI, layout="constrained")
    if heights:
        figure.subplots(panels, 1, height_ratios=heights)
    else:
        figure.subplots(1, panels)
    figure.suptitle(title, fontsize=11, color=INK, x=0.01, ha="left", fontweight="bold")
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(GREY)
        axes.tick_params(labelsize=9, colors=INK)
        axes.grid(color="#E6E6E6", linewidth=0.7)
        axes.set_axisbelow(True)
    return figure, figure.axes[0]


def png(figure: "Figure") -> bytes:
    """The figure as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = BytesIO()
    # Figure.savefig draws everything twice. Without matplotlib's version in the file, an upgrade that changes no pixel
    # changes no artifact.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return buffer.getvalue()
