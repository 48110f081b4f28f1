"""The handful of numbers of a run or of a network that its line in MLflow's table begins with."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ferkit.config.run_config import RunConfig
from ferkit.config.run_plan import ENSEMBLE

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["model_headline", "run_headline"]

_METRICS = ("accuracy", "macro_f1", "log_loss")


def model_headline(lines: "pd.DataFrame") -> dict[str, float]:
    """The numbers that a model is known by: ``public_accuracy``, ``public_macro_f1`` and ``public_log_loss`` of the
    pictures of PublicTest that no other split has, and the same of all of PrivateTest.
    """
    return dict(_numbers(lines.to_dict("records")))


def run_headline(results: "pd.DataFrame", config: RunConfig) -> dict[str, float]:
    """Those of the ensemble of the first target, as a network has them; of the others behind the target's name."""
    numbers: dict[str, float] = {}
    for target in (each.name for each in config.targets):
        lines = results[(results["target"] == target) & (results["model"] == ENSEMBLE)]
        prefix = f"{target}_" if numbers else ""
        numbers |= {f"{prefix}{name}": value for name, value in model_headline(lines).items()}
    return numbers


def _numbers(lines: list[dict[Any, Any]]) -> Iterator[tuple[str, float]]:
    for name, subsets in (("public", ("PublicTest, no duplicates", "PublicTest")), ("private", ("PrivateTest",))):
        line = _first(lines, subsets)
        for metric in _METRICS if line else ():
            value = float(line[metric])
            if math.isfinite(value):
                yield f"{name}_{metric}", value


def _first(lines: list[dict[Any, Any]], subsets: tuple[str, ...]) -> Mapping[Any, Any]:
    of_subset = {line["subset"]: line for line in lines}
    return next((of_subset[each] for each in subsets if each in of_subset), {})
