"""What goes wrong between ferkit and a model registry, as errors that a person can act on."""

from collections.abc import Iterator
from contextlib import contextmanager

from ferkit.errors import FerkitError

__all__ = ["RegistryError", "told"]


class RegistryError(FerkitError):
    """A model registry that cannot be reached, or that does not hold what was asked for."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """Tell MLflow's errors in one line, beginning with what was attempted."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        reason = " ".join(str(error).split())
        raise RegistryError(f"{what}: MLflow's registry answered: {reason[:500]}") from error
