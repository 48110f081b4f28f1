"""Errors that a person can act on: a command ends with their one line and status 1, never a traceback."""

from typing import Any

__all__ = [
    "ConfigError",
    "DamagedPictureError",
    "DataError",
    "FerkitError",
    "TooCostlyError",
    "TooLargeError",
    "TrainingError",
    "WeightsError",
]


class FerkitError(Exception):
    """Base of every expected error; its message says what was expected, what came, and what to do.

    It goes from one process to another whole, whatever its constructor takes.

    Attributes
    ----------
    permanent
        The same would happen again: an orchestrator that retries steps does not retry this one.
    """

    permanent = True

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own calls the constructor with the message, which one with other arguments does not take.
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[FerkitError], args: tuple[Any, ...], state: dict[str, Any]) -> FerkitError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class ConfigError(FerkitError):
    """A run configuration that cannot be run."""


class DataError(FerkitError):
    """Data that cannot be read or that no model may be trained on."""


class TooLargeError(DataError):
    """A picture that has more pixels than is allowed."""


class TooCostlyError(DataError):
    """A picture whose decoding would take more memory or time than one of its size needs."""


class DamagedPictureError(DataError):
    """A picture of a data set whose file is there, but cannot be decoded."""


class WeightsError(FerkitError):
    """Pretrained weights that are missing, unreachable or not what they claim to be."""


class TrainingError(FerkitError):
    """A training that cannot start, go on or be resumed."""
