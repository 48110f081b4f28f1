"""What an experiment compares: a base configuration, factors with named levels, seeds, and the number that decides."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ferkit.data.labels import Target
from ferkit.experiments.comparison import Metric
from ferkit.settings import Settings

__all__ = ["NAME", "ClaimSettings", "ExperimentSettings", "MeasureSettings", "SubstituteSettings"]

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class MeasureSettings(Settings):
    """The number on PublicTest that decides.

    Attributes
    ----------
    target
        Name of the target; the first of the base if it is not given and the base has no ``fer``.
    model
        ``ensemble``, or the label of one of the backbones.
    metric
        ``accuracy``, ``macro_f1``, or ``log_loss``, of which less is better.
    subset
        ``PublicTest, no duplicates``: without the pictures that also occur in another split; or ``PublicTest``.
    least_difference
        Smallest difference that one wants to see, in the unit of the metric: 0.005 is half a point of accuracy.
    bootstrap
        Times that pictures and seeds are drawn anew.
    confidence
        Share of the draws that an interval holds; one less it is the level of the tests.
    """

    target: Target = "fer"
    model: str = "ensemble"
    metric: Metric = "accuracy"
    subset: Literal["PublicTest, no duplicates", "PublicTest"] = "PublicTest, no duplicates"
    least_difference: float = Field(0.005, gt=0)
    bootstrap: int = Field(2000, ge=200)
    confidence: float = Field(0.95, gt=0.5, lt=1)


class ClaimSettings(Settings):
    """A sentence about two cells that the experiment is to judge.

    Attributes
    ----------
    claim
        The sentence.
    cell, than
        Names of the cells that it compares.
    expected
        What it says of `cell`: ``better`` than the other, or ``same``: the difference is less than
        ``measure.least_difference``.
    """

    claim: str = Field(min_length=1)
    cell: str
    than: str
    expected: Literal["better", "same"]


class SubstituteSettings(Settings):
    """How an experiment runs on another backbone, where the weights of its own cannot be had.

    Attributes
    ----------
    backbone
        Settings of the backbone that stands in for every other, such as ``input_size``.
    changes
        What every cell changes besides, after everything else. ``set`` in the file.
    """

    backbone: dict[str, Any] = Field(default_factory=dict)
    changes: dict[str, Any] = Field(default_factory=dict, alias="set")


class ExperimentSettings(Settings):
    """An experiment file, such as ``configs/experiments/balancing.yaml``.

    Attributes
    ----------
    name
        Name of the experiment, and of MLflow's experiment that holds its runs.
    base
        Run configuration that every cell starts from; a path that is not absolute begins at the experiment's file.
    changes
        What all cells change of the base: dotted settings and their values. ``set`` in the file.
    factors
        By name the levels of a factor; by name what a level changes of the base. Every combination is a cell.
    cells
        The combinations to run, each a level of every factor; all if empty.
    seeds
        Seeds that each cell is run with; a number stands for as many, from 0.
    baseline
        The cell that the others are compared with: a level of each factor. The first cell if empty.
    measure
        What is compared.
    published
        For an experiment that repeats a published one: by cell, the number that was published, in the unit of the
        metric; null where none was.
    claims
        Sentences to judge.
    substitutes
        By name of a backbone, how it stands in for the experiment's own.

    Examples
    --------
    >>> settings = ExperimentSettings.model_validate(
    ...     {"name": "e", "base": "q.yaml", "seeds": 2,
    ...      "factors": {"balancing": {"none": {}, "smote": {"balancing.method": "smote"}}}}
    ... )
    >>> settings.seeds, list(settings.factors["balancing"])
    ((0, 1), ['none', 'smote'])
    """

    name: str = Field(pattern=NAME)
    base: Path
    changes: dict[str, Any] = Field(default_factory=dict, alias="set")
    factors: dict[str, dict[str, dict[str, Any]]] = Field(default_factory=dict)
    cells: tuple[dict[str, str], ...] = ()
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    baseline: dict[str, str] = Field(default_factory=dict)
    measure: MeasureSettings = MeasureSettings()
    published: dict[str, float | None] = Field(default_factory=dict)
    claims: tuple[ClaimSettings, ...] = ()
    substitutes: dict[str, SubstituteSettings] = Field(default_factory=dict)

    @field_validator("seeds", mode="before")
    @classmethod
    def _counted(cls, seeds: Any) -> Any:
        return tuple(range(seeds)) if isinstance(seeds, int) and not isinstance(seeds, bool) else seeds

    @field_validator("seeds")
    @classmethod
    def _once(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError(f"{list(seeds)}: expected whole numbers from 0, each once, or how many.")
        return seeds

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for factor, levels in self.factors.items():
            _require_name(f"factors.{factor}", factor)
            if len(levels) < 2:
                raise ValueError(f"factors.{factor}: has {len(levels)} level, a comparison needs two.")
            for level in levels:
                _require_name(f"factors.{factor}.{level}", level)
        for place, chosen in [
            *((f"cells.{index}", each) for index, each in enumerate(self.cells)),
            ("baseline", self.baseline),
        ]:
            if chosen or place != "baseline":
                self._require_levels(place, chosen)
        if len({tuple(sorted(each.items())) for each in self.cells}) < len(self.cells):
            raise ValueError("cells: one occurs twice.")
        if self.cells and self.baseline and self.baseline not in self.cells:
            raise ValueError(f"baseline {self.baseline}: is not among the cells.")
        return self

    def _require_levels(self, place: str, chosen: Mapping[str, str]) -> None:
        """Whether `chosen` names a level of each factor."""
        if set(chosen) != set(self.factors):
            raise ValueError(f"{place}: names {sorted(chosen)}, expected a level of each of {list(self.factors)}.")
        for factor, level in chosen.items():
            if level not in self.factors[factor]:
                raise ValueError(
                    f"{place}.{factor}: {level!r} is no level, known are {', '.join(self.factors[factor])}."
                )


def _require_name(place: str, name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise ValueError(f"{place}: expected letters, digits, dots, dashes and underscores.")
