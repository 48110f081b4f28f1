"""The base of every section of a run configuration."""

from pydantic import BaseModel, ConfigDict

__all__ = ["Settings"]


class Settings(BaseModel):
    """Strict and immutable: an unknown key, a misspelt choice or a string where a number belongs is an error.

    Each module of ``ferkit`` declares the settings it reads beside the code that reads them; ``ferkit.config``
    composes them into a run configuration.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
