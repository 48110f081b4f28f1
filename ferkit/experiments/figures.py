"""Figures of an experiment: every cell with its interval, its cost, and how its trainings went."""

from collections.abc import Mapping

import numpy as np

from ferkit.experiments.answer import Answer
from ferkit.experiments.results import RunResult
from ferkit.reporting.figure_style import BLUE, GREY, ORANGE, empty_figure, png

__all__ = ["cells_figure", "cost_figure", "curve_figures"]


def cells_figure(found: Answer, what: str) -> bytes:
    """The difference of each cell to the baseline with its interval; of a single cell, its seeds."""
    names = list(found.comparisons)
    others = [name for name in names if name != found.experiment.baseline]
    shown = others or names
    figure, axes = empty_figure(7.2, 0.4 * len(shown) + 1.4, what)
    share = 1 if found.experiment.settings.measure.metric == "log_loss" else 100
    for place, name in enumerate(shown):
        each = found.comparisons[name]
        base = found.comparisons[found.experiment.baseline].mean if others else 0.0
        seeds = share * (np.array(each.values) - base)
        axes.plot(seeds, np.full(len(seeds), place), ".", color=GREY, markersize=5)
        middle = share * (each.difference if others else each.mean)
        if others:
            error = [[middle - share * each.low], [share * each.high - middle]]
            axes.errorbar(middle, place, xerr=error, fmt="o", markersize=6, capsize=3, color=BLUE)
        else:
            axes.plot(middle, place, "o", color=BLUE)
    if others:
        axes.axvline(0, color=ORANGE, linewidth=1.2)
        axes.set_xlabel(f"less the baseline ({found.experiment.baseline}), {'points' if share > 1 else 'nats'}")
    axes.set_yticks(range(len(shown)), shown)
    axes.invert_yaxis()
    axes.margins(y=0.2)
    axes.grid(visible=False, axis="y")
    return png(figure)


def cost_figure(found: Answer, what: str) -> bytes:
    """The metric of each cell beside the seconds that its trainings took."""
    figure, axes = empty_figure(5.2, 3.4, "Cost")
    share = 1 if found.experiment.settings.measure.metric == "log_loss" else 100
    for name, each in found.comparisons.items():
        colour = ORANGE if name == found.experiment.baseline else BLUE
        seconds = found.training_seconds[name]
        axes.plot(seconds, share * each.mean, "o", color=colour)
        axes.annotate(name, (seconds, share * each.mean), (6, 4), textcoords="offset points", fontsize=8)
    axes.set_xlabel("seconds of training")
    axes.set_ylabel(what.partition(" on ")[0], fontsize=8)
    axes.margins(0.2)
    return png(figure)


def curve_figures(found: Answer, results: Mapping[tuple[str, int, int | None], RunResult]) -> dict[str, bytes]:
    """Accuracy on PublicTest by epoch of each training, one line a cell: mean over the seeds, and their range."""
    trainings = dict.fromkeys(name for each in results.values() for name in each.histories)
    pictures = {}
    for training in trainings:
        figure, axes = empty_figure(5.2, 3.4, f"{training}: accuracy on PublicTest")
        for cell in found.experiment.cells:
            curves = [
                each.histories[training]["val_accuracy"].to_numpy()
                for (name, *_), each in results.items()
                if name == cell.name and training in each.histories
            ]
            if not curves:
                continue
            # Some seeds may have stopped earlier.
            length = min(map(len, curves))
            stacked = np.stack([each[:length] for each in curves])
            epochs = np.arange(length)
            line = axes.plot(epochs, stacked.mean(axis=0), marker="o", markersize=3, label=cell.name)[0]
            axes.fill_between(epochs, stacked.min(axis=0), stacked.max(axis=0), color=line.get_color(), alpha=0.15)
        axes.set_xlabel("epoch")
        axes.legend(frameon=False, fontsize=7)
        pictures[training] = png(figure)
    return pictures
