"""The run configurations of a search: of every trial, each checked as far as it can be before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ferkit.config.loading import load_config, load_settings, read_sections
from ferkit.config.run_config import RunConfig
from ferkit.errors import ConfigError
from ferkit.experiments.cells import ONE_OF_MANY, as_overrides, checked_measure
from ferkit.experiments.search.settings import RangeSettings, SearchFile, Value, values_of

__all__ = ["Search", "is_search", "load_search"]


@dataclass(frozen=True, eq=False)
class Search:
    """A search that can begin.

    Attributes
    ----------
    settings
        As the file says.
    base
        The run configuration that trials start from.
    """

    settings: SearchFile
    base: Path

    def config(self, name: str, values: Mapping[str, Value]) -> RunConfig:
        """The configuration of a trial; PrivateTest is not read in it, and no model is registered.

        Parameters
        ----------
        name
            What the run is called, behind the name of the search.
        values
            Of each setting that is looked for.
        """
        settings = self.settings
        changes = {**ONE_OF_MANY, **settings.changes, **values}
        named = {"name": f"{settings.name}.{name}", "experiment": settings.name}
        return load_config(self.base, as_overrides({**changes, **named}))

    def first(self) -> dict[str, Value]:
        """The first value of each setting that is looked for."""
        return {key: values_of(each)[0] for key, each in self.settings.search.ranges.items()}


def is_search(path: Path) -> bool:
    """Whether an experiment's file is that of a search.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    return "search" in read_sections(path)


def load_search(path: Path) -> Search:
    """Read a search's file, and check the configuration of every listed value and of the ends of every range.

    Raises
    ------
    ConfigError
        One line a problem, of the file or of a trial's configuration.
    """
    settings = load_settings(path, SearchFile)
    search = Search(settings, path.parent / settings.base)
    load_config(search.base)
    first, problems = search.first(), []
    configs: list[RunConfig] = []
    for key, value in [
        (key, value)
        for key, each in settings.search.ranges.items()
        for value in ((each.low, each.high) if isinstance(each, RangeSettings) else each)
    ]:
        try:
            configs.append(search.config("check", {**first, key: value}))
        except ConfigError as error:
            problems += [f"{path}: search.ranges.{key} {value}: {line}" for line in str(error).splitlines()]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    measure = checked_measure(path, settings.measure, {"every trial": configs[0]})
    trained = configs[0].trained()
    if settings.search.pruner.method != "none" and len(trained) > 1:
        raise ConfigError(
            f"{path}: search.pruner: a run has {len(trained)} trainings, and the epochs of one do not judge all: "
            "set search.pruner.method to none."
        )
    return replace(search, settings=settings.model_copy(update={"measure": measure}))
