"""The cells of an experiment: which configurations it compares, each checked before anything runs."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ferkit.config.loading import load_config, load_settings
from ferkit.config.repetitions import folds_to_run
from ferkit.config.run_config import RunConfig
from ferkit.errors import ConfigError
from ferkit.experiments.replacement import Replacement
from ferkit.experiments.settings import ExperimentSettings, MeasureSettings

__all__ = ["ONE_OF_MANY", "Cell", "Experiment", "as_overrides", "checked_measure", "load_experiment"]

_ALONE = "all"
# A run of an experiment or of a search is one of many: it reads no PrivateTest, and nobody serves its models.
ONE_OF_MANY: Mapping[str, object] = {"evaluation.private_test": False, "registry": {"register": False}}


@dataclass(frozen=True, eq=False)
class Cell:
    """One combination of levels.

    Attributes
    ----------
    name
        The levels, joined by ``+``; ``all`` where there is no factor.
    levels
        Level of each factor.
    configs
        The run configuration of each seed; where the data has folds, `ferkit.config.repetitions` makes a run of each.
    """

    name: str
    levels: Mapping[str, str]
    configs: Mapping[int, RunConfig]


@dataclass(frozen=True, eq=False)
class Experiment:
    """Everything that is to be run and compared.

    Attributes
    ----------
    settings
        As the file says.
    cells
        In the order of the factors' levels, or of ``cells`` in the file.
    baseline
        Name of the cell that the others are compared with.
    substituted
        By label of a backbone of the file, the label of what stands in for it; empty if nothing does.
    """

    settings: ExperimentSettings
    cells: tuple[Cell, ...]
    baseline: str
    substituted: Mapping[str, str] = field(default_factory=dict)

    @property
    def folds(self) -> tuple[int, ...] | tuple[None]:
        """The folds that every cell is run with each seed in; a single None if the data is not dealt into folds."""
        return folds_to_run(self.cells[0].configs[self.settings.seeds[0]]) or (None,)


def load_experiment(path: Path, substitute: str | None = None) -> Experiment:
    """Read an experiment's file and make the configuration of every cell and seed.

    PrivateTest is read in none of them, but where it is the fold that a run is judged on, and no model is registered.

    Parameters
    ----------
    path
        The file.
    substitute
        A backbone of the file's ``substitutes``: it stands in for every other one. The experiment then has a name of
        its own, which ends with that of the backbone.

    Raises
    ------
    ConfigError
        One line a problem, of the file or of a cell's configuration.
    """
    settings = load_settings(path, ExperimentSettings)
    base = path.parent / settings.base
    # What is wrong with it is said once, and not for every cell.
    load_config(base)
    names = list(settings.factors)
    chosen = settings.cells or [
        dict(zip(names, levels, strict=True)) for levels in itertools.product(*settings.factors.values())
    ]
    cells, problems = [], []
    replacement = None
    if substitute:
        own = [cell.configs[settings.seeds[0]] for cell in load_experiment(path).cells]
        replacement = Replacement.of(path, settings, substitute, own)
        settings = settings.model_copy(update={"name": f"{settings.name}.{substitute}"})
    for each in chosen:
        levels = {factor: each[factor] for factor in names}
        name = "+".join(levels.values()) or _ALONE
        try:
            cells.append(Cell(name, levels, _configs(settings, base, name, levels, replacement)))
        except ConfigError as error:
            problems += [f"{path}: cell {name}: {line}" for line in str(error).splitlines()]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    if len({each.name for each in cells}) < len(cells):
        raise ConfigError(f"{path}: two cells have the same name: give the levels of the factors names of their own.")
    first = {f"cell {each.name}": each.configs[settings.seeds[0]] for each in cells}
    settings = settings.model_copy(update={"measure": checked_measure(path, settings.measure, first)})
    _require_cells(path, settings, [each.name for each in cells])
    _require_splits(path, settings, cells)
    baseline = "+".join(settings.baseline[factor] for factor in names) if settings.baseline else cells[0].name
    return Experiment(settings, tuple(cells), baseline, replacement.labels if replacement else {})


def _configs(
    settings: ExperimentSettings, base: Path, name: str, levels: Mapping[str, str], replacement: Replacement | None
) -> dict[int, RunConfig]:
    of_levels = [settings.factors[factor][level] for factor, level in levels.items()]
    changes = dict(ONE_OF_MANY)
    for each in (settings.changes, *of_levels):
        changes |= each
    overrides = as_overrides(changes)
    if replacement:
        overrides += as_overrides(replacement.changes(load_config(base, overrides)))
    run = f"{settings.name}.{name.replace('+', '.')}"
    named = [f"name={json.dumps(run)}", f"experiment={json.dumps(settings.name)}"]
    return {seed: _judged(load_config(base, [*overrides, *named, f"seed={seed}"])) for seed in settings.seeds}


def _judged(config: RunConfig) -> RunConfig:
    """With folds, PrivateTest is the fold of each run, and every picture is in it once."""
    if not folds_to_run(config):
        return config
    evaluation = config.evaluation.model_copy(update={"private_test": True})
    return config.model_copy(update={"evaluation": evaluation})


def as_overrides(changes: Mapping[str, object]) -> list[str]:
    """Settings by their dotted names as `ferkit.config.loading.load_config` takes them."""
    return [f"{key}={json.dumps(value)}" for key, value in changes.items()]


def _require_splits(path: Path, settings: ExperimentSettings, cells: list[Cell]) -> None:
    """Whether all cells learn from the same pictures and are judged on the same ones."""
    first, *others = cells
    splits = {each.name: _split_settings(each.configs[settings.seeds[0]]) for each in cells}
    for other in others:
        for name, value in splits[first.name].items():
            if splits[other.name][name] != value:
                raise ConfigError(
                    f"{path}: cells {first.name} and {other.name} differ in data.{name}: cells are compared on the "
                    "same pictures, so that no factor may change the split; say it in `set`, for all cells."
                )
    folds = folds_to_run(first.configs[settings.seeds[0]])
    if folds and "subset" in settings.measure.model_fields_set:
        raise ConfigError(
            f"{path}: measure.subset has no effect: each picture is judged in the one of the {len(folds)} folds that "
            "tests it; leave it out."
        )


def _split_settings(config: RunConfig) -> dict[str, object]:
    """What decides which pictures lie in which split."""
    written = config.data.model_dump(mode="json")
    return {name: written.get(name) for name in ("split", "validation_fraction", "test_fraction", "seed")}


def _require_cells(path: Path, settings: ExperimentSettings, cells: list[str]) -> None:
    """Whether there is every cell that is said to have been published, or that a claim is about."""
    named = [("published", cell) for cell in settings.published]
    for index, claim in enumerate(settings.claims):
        named += [(f"claims.{index}.cell", claim.cell), (f"claims.{index}.than", claim.than)]
        if claim.cell == claim.than:
            raise ConfigError(f"{path}: claims.{index}: compares {claim.cell} with itself.")
    for place, cell in named:
        if cell not in cells:
            raise ConfigError(f"{path}: {place}: {cell!r} is no cell, known are {', '.join(cells)}.")


def checked_measure(path: Path, measure: MeasureSettings, configs: Mapping[str, RunConfig]) -> MeasureSettings:
    """What is compared, which all runs must have; where no target is named and none is `fer`, the first of the runs'.

    Parameters
    ----------
    path
        The file, for the error.
    configs
        A configuration of each cell by its name; at least one.

    Raises
    ------
    ConfigError
        If one has not.
    """
    own = [each.name for each in next(iter(configs.values())).targets]
    if "target" not in measure.model_fields_set and measure.target not in own:
        measure = measure.model_copy(update={"target": own[0]})
    for cell, config in configs.items():
        targets = [each.name for each in config.targets]
        if measure.target not in targets:
            raise ConfigError(f"{path}: measure.target {measure.target}: {cell} has {', '.join(targets)}.")
        models = [
            "ensemble",
            *(each.label for each in (*config.members(measure.target), *config.students(measure.target))),
        ]
        if measure.model not in models:
            raise ConfigError(f"{path}: measure.model {measure.model}: {cell} has {', '.join(models)}.")
    return measure
