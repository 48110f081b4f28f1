"""Running an experiment on another backbone than its own, whose weights cannot be had."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferkit.config.run_config import RunConfig
from ferkit.errors import ConfigError
from ferkit.experiments.settings import ExperimentSettings, SubstituteSettings

__all__ = ["Replacement"]

# What an entry of `backbones` says about its place in the run, and not about the network.
_PLACE = {"targets", "joint", "teacher", "seed"}


@dataclass(frozen=True, eq=False)
class Replacement:
    """One backbone in place of every other.

    Attributes
    ----------
    name
        Of the backbone that stands in.
    settings
        What it is built and trained with.
    labels
        By label of a backbone of the experiment, the label of what stands in for it. Networks of several labels begin
        with seeds of their own.
    """

    name: str
    settings: SubstituteSettings
    labels: Mapping[str, str]

    @classmethod
    def of(cls, path: Path, settings: ExperimentSettings, name: str, configs: Iterable[RunConfig]) -> "Replacement":
        """What `name` stands in for.

        Parameters
        ----------
        path, settings
            The experiment's file.
        configs
            A run configuration of each cell, with the experiment's own backbones.

        Raises
        ------
        ConfigError
            If the experiment has no such substitute.
        """
        if name not in settings.substitutes:
            known = f"it has {', '.join(settings.substitutes)}" if settings.substitutes else "it has none"
            raise ConfigError(f"{path}: no substitute {name}, {known}.")
        own = dict.fromkeys(entry.label for config in configs for entry in config.backbones)
        labels = {label: f"{name}_{number}" for number, label in enumerate(own, 1)} if len(own) > 1 else None
        return cls(name, settings.substitutes[name], labels or dict.fromkeys(own, name))

    def changes(self, config: RunConfig) -> dict[str, Any]:
        """Dotted settings and their values: what the run of `config` has to change."""
        entries = []
        for entry in config.backbones:
            alias = self.labels[entry.label]
            named = {"name": self.name, **({"alias": alias} if alias != self.name else {})}
            kept = entry.model_dump(mode="json", include=_PLACE, exclude_defaults=True)
            entries.append({**named, **kept, **self.settings.backbone})
        return {"backbones": entries, **self.settings.changes}
