"""The base of every section of a run configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, field_validator

__all__ = ["Settings"]


class Settings(BaseModel):
    """Strict and immutable: an unknown key, a misspelt choice or a string where a number belongs is an error.

    A path may begin with ``~``, the home folder, since no shell reads it here. Each module of ``ferkit`` declares the
    settings it reads beside the code that reads them; ``ferkit.config.run_config`` composes them into a run
    configuration.

    Attributes
    ----------
    MOVED
        Keys that stood in this section in an older version, and where below it they stand now: who writes one is told.
    """

    MOVED: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @field_validator("*", mode="after")
    @classmethod
    def _home(cls, value: Any) -> Any:
        if not isinstance(value, Path):
            return value
        try:
            return value.expanduser()
        except RuntimeError:
            raise ValueError(f"{value}: no home folder of {value.parts[0]} is known, write the whole path.") from None
