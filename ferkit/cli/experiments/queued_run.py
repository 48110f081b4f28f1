"""A run of an experiment or a search that waits for its turn."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from ferkit.config.named_files import NamedFiles
from ferkit.config.run_config import RunConfig
from ferkit.errors import FerkitError

__all__ = ["QueuedRun", "RunStoppedError"]


class RunStoppedError(FerkitError):
    """A run was stopped on purpose, and has not failed."""


@dataclass(frozen=True, eq=False)
class QueuedRun:
    """A run that is to be done.

    Attributes
    ----------
    label
        What people call it; one of several has it before each of its lines.
    config, files
        What is run, and what the files hold that it names.
    key
        Of what it is made from, see `ferkit.experiments.results.run_key`.
    tags
        Further tags of its run in MLflow.
    about
        What is said of it when it begins, beside its number.
    watched
        Makes what is around it from its beginning to its end.
    """

    label: str
    config: RunConfig
    files: NamedFiles
    key: str
    tags: Mapping[str, str]
    about: str = ""
    watched: Callable[[], AbstractContextManager[None]] = nullcontext
