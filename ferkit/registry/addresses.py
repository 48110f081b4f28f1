"""Models of the registry by their address: ``models:/NAME@ALIAS`` and ``models:/NAME/VERSION``."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ferkit.registry.client import RegistryError, aliases_of, find_model, require_model
from ferkit.registry.models import CHAMPION, REGISTERED_NAME, RegisteredModel, load_version

__all__ = ["ModelAddress"]

_ADDRESS = re.compile(r"models:/(?P<name>[^/:@]+)(?:@(?P<alias>[\w.-]+)|/(?P<version>\d+))")


@dataclass(frozen=True)
class ModelAddress:
    """Address of a model in MLflow's registry.

    Attributes
    ----------
    name
        Name of the registered model.
    alias, version
        One of both, the other is None.
    """

    name: str
    alias: str | None
    version: str | None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The address that `text` spells, such as ``models:/ferkit@champion``; None if it is none."""
        found = _ADDRESS.fullmatch(text)
        return cls(**found.groupdict()) if found else None

    def __str__(self) -> str:
        return f"models:/{self.name}" + (f"@{self.alias}" if self.alias else f"/{self.version}")

    def load(self, cache: Path) -> RegisteredModel:
        """The model, copied to `cache` unless it is there already.

        Raises
        ------
        RegistryError
            If there is no such name, alias or version, if it has no bundle of ferkit's, or if the registry does not
            answer.
        """
        if self.version:
            require_model(self.name)
            return load_version(self.version, cache, self.name)
        aliases = aliases_of(find_model(self.name))
        if self.alias == CHAMPION and CHAMPION not in aliases:
            named = "" if self.name == REGISTERED_NAME else f" --name {self.name}"
            raise RegistryError(f"{self}: no model was promoted yet; `ferkit promote{named}` does that.")
        aliases = aliases or aliases_of(require_model(self.name))
        if self.alias not in aliases:
            known = ", ".join(f"{alias} (version {version})" for alias, version in sorted(aliases.items())) or "none"
            raise RegistryError(f"{self}: no such alias; {self.name} has {known}.")
        return load_version(aliases[self.alias], cache, self.name, alias=self.alias)
