"""Figures for people: each function returns the bytes of a PNG file.

The same numbers give the same bytes.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.evaluation.reliability import Reliability
from ferkit.models.ensemble import Ensemble
from ferkit.reporting.figure_style import BLUE, GREY, INK, ORANGE, Label, Margins, empty_figure, png

__all__ = [
    "accuracies",
    "class_counts",
    "confusion_matrix",
    "ensemble_weights",
    "reliability_diagram",
    "training_curves",
]

_STYLES = ("--", "-.")


def confusion_matrix(confusion: NDArray[np.int64], names: Sequence[str], title: str) -> bytes:
    """Share of each label's pictures that got each prediction, with the number of pictures below.

    Parameters
    ----------
    confusion : (classes, classes) int64
        Pictures by label (rows) and prediction (columns).
    names
        Names of the classes.
    title
        Above the figure.
    """
    return _confusion_matrix(tuple(map(tuple, confusion.tolist())), tuple(names), title)


# A step logs it, its artifact shows it and the report holds it: on one machine, all within one process.
@lru_cache(maxsize=128)
def _confusion_matrix(cells: tuple[tuple[int, ...], ...], names: tuple[str, ...], title: str) -> bytes:
    confusion, classes = np.array(cells), len(names)
    figure, axes = empty_figure(0.86 * classes + 1.6, 0.72 * classes + 1.3, title)
    support = confusion.sum(axis=1, keepdims=True)
    share = np.divide(confusion, support, out=np.zeros(confusion.shape), where=support > 0)
    axes.pcolormesh(share, cmap="Blues", vmin=0, vmax=1)
    axes.invert_yaxis()
    labels = []
    for label, prediction in np.ndindex(confusion.shape):
        colour = "white" if share[label, prediction] > 0.55 else INK
        text = f"{share[label, prediction]:.0%}" if support[label] else "-"
        count = f"{confusion[label, prediction]:,}"
        for offset, written, points in ((0.38, text, 10), (0.74, count, 7)):
            labels.append(Label(prediction + 0.5, label + offset, written, points, colour))
    middle = np.arange(classes) + 0.5
    axes.set_xticks(middle, names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(middle, [f"{name} ({n:,})" for name, n in zip(names, support[:, 0], strict=True)])
    axes.set(xlabel="predicted", ylabel="labelled (pictures)")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return png(figure, labels)


def training_curves(history: pd.DataFrame, title: str, best_epoch: int | None = None) -> bytes:
    """Loss, accuracy and learning rate of each epoch.

    Parameters
    ----------
    history
        One line an epoch: epoch, phase, loss, accuracy, val_loss, val_accuracy, learning_rate; of a network with a head
        for each of several targets also val_accuracy/<target>, whose mean val_accuracy is.
    title
        Above the figure.
    best_epoch
        The epoch whose weights were kept; the one of the highest val_accuracy if not given.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

    figure, _ = empty_figure(10.5, 3.4, title, panels=3, margins=Margins(0.6, 0.1, 0.5, 0.65, 0.7))
    epochs = history["epoch"].to_numpy()
    best = epochs[int(history["val_accuracy"].to_numpy().argmax())] if best_epoch is None else best_epoch
    marker = "o" if len(epochs) < 25 else None
    starts = epochs[1:][history["phase"].to_numpy()[1:] != history["phase"].to_numpy()[:-1]] - 0.5
    for axes, name in zip(figure.axes, ("loss", "accuracy", "learning rate"), strict=True):
        if name == "learning rate":
            axes.plot(epochs, history["learning_rate"], color=INK, marker=marker, markersize=3)
            axes.set_yscale("log")
            # Read at any range, within a decade, too; powers of ten are formulas, which take twice as long to draw.
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter("{x:g}")
        else:
            axes.plot(epochs, history[name], color=BLUE, marker=marker, markersize=3, label="Training")
            axes.plot(epochs, history[f"val_{name}"], color=ORANGE, marker=marker, markersize=3, label="PublicTest")
            for column in history.columns[history.columns.str.startswith(f"val_{name}/")]:
                style = _STYLES[len(axes.lines) % len(_STYLES)]
                target = column.rpartition("/")[2]
                axes.plot(epochs, history[column], style, color=ORANGE, linewidth=1, label=f"PublicTest, {target}")
            axes.axvline(best, color=GREY, linestyle=":", label="kept epoch")
        for start in starts:
            axes.axvline(start, color=GREY, linewidth=0.8)
        axes.set_xlabel("epoch")
        axes.set_title(name, fontsize=10, y=1.0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for start in starts:
        phase = history["phase"].to_numpy()[int(np.searchsorted(epochs, start))]
        top = figure.axes[2].get_xaxis_transform()
        figure.axes[2].text(start, 0.98, f" {phase}", transform=top, va="top", fontsize=8, color=INK)
    figure.axes[1].legend(frameon=False, fontsize=8, loc="lower right")
    return png(figure)


def class_counts(before: NDArray[np.int64], after: NDArray[np.int64], names: Sequence[str], title: str) -> bytes:
    """Training examples of each class before and after balancing.

    Parameters
    ----------
    before, after : (classes,) int64
        Examples of each class.
    names
        Names of the classes.
    title
        Above the figure.
    """
    return _class_counts(tuple(map(int, before)), tuple(map(int, after)), tuple(names), title)


# A step logs it, and reports of runs on the same data hold it.
@lru_cache(maxsize=64)
def _class_counts(before: tuple[int, ...], after: tuple[int, ...], names: tuple[str, ...], title: str) -> bytes:
    figure, axes = empty_figure(0.95 * len(names) + 1.0, 3.4, title, margins=Margins(0.8, 0.1, 0.35, 0.65))
    at = np.arange(len(names))
    for offset, counts, colour, label in ((-0.2, before, GREY, "before"), (0.2, after, BLUE, "after")):
        bars = axes.bar(at + offset, counts, width=0.38, color=colour, label=label)
        axes.bar_label(bars, [f"{count:,}" for count in counts], fontsize=7, padding=1)
    axes.set_xticks(at, names)
    axes.set_ylabel("examples in an epoch")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(visible=False, axis="x")
    axes.margins(y=0.12)
    axes.legend(frameon=False, fontsize=9, ncols=2, loc="upper left", bbox_to_anchor=(0, 1.12))
    return png(figure)


def reliability_diagram(bins: Reliability, title: str) -> bytes:
    """Accuracy against confidence, over how many pictures have that confidence.

    Parameters
    ----------
    bins
        From `ferkit.evaluation.reliability.reliability`.
    title
        Above the figure.
    """
    arrays = (bins.edges, bins.count, bins.confidence, bins.accuracy)
    return _reliability_diagram(*(each.tobytes() for each in arrays), title)


# A step logs it, and the report holds it.
@lru_cache(maxsize=64)
def _reliability_diagram(edges: bytes, count: bytes, confidence: bytes, accuracy: bytes, title: str) -> bytes:
    bins = Reliability(
        np.frombuffer(edges), np.frombuffer(count, np.int64), np.frombuffer(confidence), np.frombuffer(accuracy)
    )
    figure, _ = empty_figure(4.4, 4.8, title, panels=2, heights=(3, 1), margins=Margins(0.7, 0.15, 0.5, 0.4, 0.35))
    upper, lower = figure.axes
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="perfectly calibrated")
    filled = bins.count > 0
    width = bins.edges[1] - bins.edges[0]
    centre = (bins.edges[:-1] + bins.edges[1:]) / 2
    upper.bar(centre[filled], bins.accuracy[filled], width=0.92 * width, color=BLUE, alpha=0.35, label="accuracy")
    upper.plot(bins.confidence[filled], bins.accuracy[filled], color=BLUE, marker="o", markersize=4)
    upper.text(0.97, 0.05, f"ECE {bins.expected_calibration_error:.3f}", ha="right", fontsize=11, color=INK)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    upper.legend(frameon=False, fontsize=8, loc="upper left")
    lower.bar(centre, bins.count, width=0.92 * width, color=GREY)
    lower.set(xlim=(0, 1), xlabel="confidence of the prediction", ylabel="pictures")
    return png(figure)


def ensemble_weights(ensemble: Ensemble, title: str) -> bytes:
    """How much each member's vote counts.

    Parameters
    ----------
    ensemble
        Members and weights.
    title
        Above the figure.
    """
    return _ensemble_weights(ensemble, title)


# Its artifact shows it, and the report holds it.
@lru_cache(maxsize=64)
def _ensemble_weights(ensemble: Ensemble, title: str) -> bytes:
    figure, axes = empty_figure(6.4, 0.42 * len(ensemble.members) + 1.2, title)
    order = np.argsort(ensemble.weights, kind="stable")
    weights = np.asarray(ensemble.weights)[order]
    bars = axes.barh([ensemble.members[index] for index in order], weights, color=BLUE, height=0.62)
    axes.bar_label(bars, [f"{weight:.2f}" for weight in weights], padding=4, fontsize=9)
    axes.set(xlim=(0, max(weights) * 1.15), xlabel="weight")
    axes.grid(visible=False, axis="y")
    return png(figure)


def accuracies(table: pd.DataFrame, title: str) -> bytes:
    """Accuracy of every model with its interval.

    Parameters
    ----------
    table
        Lines of `ferkit.evaluation.evaluate.Evaluation.to_table` that are to be compared, the first on top.
    title
        Above the figure.
    """
    subsets = list(dict.fromkeys(table["subset"]))
    models = list(dict.fromkeys(table["model"]))
    figure, axes = empty_figure(7.2, 0.3 * len(table) + 1.5, title)
    colours = dict(zip(subsets, (BLUE, ORANGE, "#009E73", "#CC79A7", INK), strict=False))
    step = 0.7 / len(subsets)
    for subset in subsets:
        lines = table[table["subset"] == subset]
        place = [
            models.index(model) + step * (subsets.index(subset) - (len(subsets) - 1) / 2) for model in lines["model"]
        ]
        value = lines["accuracy"].to_numpy()
        error = np.abs(lines[["accuracy_low", "accuracy_high"]].to_numpy().T - value)
        axes.errorbar(value, place, xerr=error, fmt="o", markersize=5, capsize=3, color=colours[subset], label=subset)
        for x, y in zip(lines["accuracy_high"], place, strict=True):
            axes.annotate(
                f"{value[place.index(y)]:.1%}", (x, y), (5, 0), textcoords="offset points", va="center", fontsize=8
            )
    axes.set_yticks(range(len(models)), models)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("accuracy")
    axes.margins(x=0.12, y=0.1)
    axes.grid(visible=False, axis="y")
    figure.legend(frameon=False, fontsize=8, ncols=2, loc="outside lower center")
    return png(figure)
