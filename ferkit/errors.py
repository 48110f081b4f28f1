"""Errors that a person can act on: a command ends with their one line and status 1, never a traceback."""

__all__ = ["ConfigError", "DataError", "FerkitError", "TooLargeError", "TrainingError", "WeightsError"]


class FerkitError(Exception):
    """Base of every expected error; its message says what was expected, what came, and what to do."""


class ConfigError(FerkitError):
    """A run configuration that cannot be run."""


class DataError(FerkitError):
    """Data that cannot be read or that no model may be trained on."""


class TooLargeError(DataError):
    """A picture that would take more memory or time than any picture needs."""


class WeightsError(FerkitError):
    """Pretrained weights that are missing, unreachable or not what they claim to be."""


class TrainingError(FerkitError):
    """A training that cannot start, go on or be resumed."""
