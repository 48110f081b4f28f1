"""What a search looks through: a base configuration, ranges of its settings, and how many trials it takes."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, Tag, model_validator

from ferkit.experiments.settings import NAME, MeasureSettings
from ferkit.settings import Settings

__all__ = ["PrunerSettings", "RangeSettings", "SearchFile", "SearchSettings", "Value", "values_of"]

Value = StrictBool | StrictInt | StrictFloat | StrictStr


class RangeSettings(Settings):
    """Numbers from `low` to `high`, both included; whole ones if both are.

    Attributes
    ----------
    low, high
        Where it begins and ends.
    log
        Every factor is as likely as every other, in place of every difference; for learning rates.
    step
        Only `low`, and what lies this far apart from there on; any number of the range if empty.
    """

    low: StrictInt | StrictFloat
    high: StrictInt | StrictFloat
    log: bool = False
    step: StrictInt | StrictFloat | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low {self.low}, high {self.high}: expected numbers, the first below the second.")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low}: a range with log begins above 0.")
        if self.step is None:
            return self
        if self.log:
            raise ValueError("log, step: one or the other; list the values instead.")
        steps = (self.high - self.low) / self.step
        if abs(steps - round(steps)) > 1e-6 or (self.whole and not isinstance(self.step, int)):
            raise ValueError(f"step {self.step}: does not lead from {self.low} to {self.high}.")
        return self

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole ones."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def values(self) -> tuple[int | float, ...]:
        """Every number of a range that has a `step`; of one that has none, its two ends."""
        if self.step is None:
            return (self.low, self.high)
        count = round((self.high - self.low) / self.step) + 1
        step: int | float = self.step
        return tuple(self.low + index * step for index in range(count))


class PrunerSettings(Settings):
    """Which trials are stopped before their training ends.

    Attributes
    ----------
    method
        ``median``: a trial whose best epoch so far is worse on PublicTest than the median of the earlier trials at that
        epoch (Golovin et al., "Google Vizier", KDD 2017); ``none``: every training ends by itself.
    startup_trials
        Trials that are never stopped, for there is nothing yet to compare them with; ``startup_trials`` in the
        file.
    warmup_epochs
        Epochs before which no trial is stopped.
    """

    method: Literal["median", "none"] = "median"
    startup: int = Field(5, ge=1, alias="startup_trials")
    warmup_epochs: int = Field(1, ge=0)

    @model_validator(mode="after")
    def _read(self) -> Self:
        if self.method == "none" and (unread := self.model_fields_set - {"method"}):
            names = sorted(type(self).model_fields[name].alias or name for name in unread)
            raise ValueError(f"{', '.join(names)}: method none reads nothing else.")
        return self


def _kind(value: Any) -> str:
    return "choice" if isinstance(value, list | tuple) else "range"


Choices = Annotated[tuple[Value, ...], Field(min_length=2)]
Range = Annotated[Annotated[RangeSettings, Tag("range")] | Annotated[Choices, Tag("choice")], Discriminator(_kind)]


class SearchSettings(Settings):
    """How settings are looked for.

    Attributes
    ----------
    ranges
        By the dotted name of a setting: a range, or a list of its values.
    limit
        How many are run; a grid has as many as it has points. ``trials`` in the file.
    sampler
        ``tpe``: where good trials were, more than elsewhere (Bergstra et al., NeurIPS 2011); ``random``; ``grid``:
        every combination of values once.
    startup
        Random trials before ``tpe`` begins to choose; ``startup_trials`` in the file.
    seed
        Of the sampler: the same search makes the same trials, whether it was stopped in between or not.
    pruner
        Which trials are stopped early.
    """

    ranges: dict[str, Range] = Field(min_length=1)
    limit: int | None = Field(None, ge=1, alias="trials")
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    startup: int = Field(10, ge=1, alias="startup_trials")
    seed: int = Field(0, ge=0)
    pruner: PrunerSettings = PrunerSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for key, each in self.ranges.items():
            if not isinstance(each, RangeSettings):
                if len({(type(value), value) for value in each}) < len(each):
                    raise ValueError(f"ranges.{key}: {list(each)}: a value occurs twice.")
            elif self.sampler == "grid" and each.step is None:
                raise ValueError(f"ranges.{key}: a grid needs a step, or a list of values.")
        if self.sampler != "tpe" and "startup" in self.model_fields_set:
            raise ValueError(f"startup_trials: sampler {self.sampler} does not read it.")
        if self.sampler == "grid" and self.limit is not None:
            raise ValueError(f"trials {self.limit}: a grid has {self.count}, leave it out.")
        if self.sampler != "grid" and self.limit is None:
            raise ValueError("trials: missing; how many trials are to be run?")
        return self

    @property
    def count(self) -> int:
        """How many trials there are."""
        if self.sampler != "grid":
            return self.limit or 0
        return math.prod(len(values_of(each)) for each in self.ranges.values())


class SearchFile(Settings):
    """A search file, such as ``configs/experiments/search.yaml``.

    Attributes
    ----------
    name
        Name of the search, and of MLflow's experiment that holds its runs.
    base
        Run configuration that every trial starts from; a path that is not absolute begins at the search's file.
    changes
        What all trials change of the base: dotted settings and their values. ``set`` in the file.
    search
        What is looked for, and how.
    measure
        The number on PublicTest that is to be as good as can be.
    """

    name: str = Field(pattern=NAME)
    base: Path
    changes: dict[str, Any] = Field(default_factory=dict, alias="set")
    search: SearchSettings
    measure: MeasureSettings = MeasureSettings()

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if unread := self.measure.model_fields_set & {"least_difference", "bootstrap", "confidence"}:
            raise ValueError(f"measure: {', '.join(sorted(unread))}: a search compares no cells and reads none of it.")
        return self


def values_of(each: RangeSettings | tuple[Value, ...]) -> tuple[Value, ...]:
    """The values of a list or of a range with a step, or else the ends of a range."""
    return each.values() if isinstance(each, RangeSettings) else each
