"""`--no-cache`: steps that run whatever the cache holds of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from typer.core import TyperCommand

from ferkit.backbones.registry import closest
from ferkit.errors import ConfigError

__all__ = ["ALL", "NoCacheCommand", "uncached"]

ALL = "all"
_OPTION = "--no-cache"
# How steps are called; the path of a configuration has a suffix.
_STEP = re.compile(r"[A-Za-z][\w-]*")


class NoCacheCommand(TyperCommand):
    """A command whose ``--no-cache`` means all steps where the name of none follows it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, a bare ``--no-cache`` taken as ``--no-cache=all``."""
        following = [*args, ""][1:]
        expanded = [
            f"{_OPTION}={ALL}" if word == _OPTION and not _STEP.fullmatch(after) else word
            for word, after in zip(args, following, strict=True)
        ]
        return super().parse_args(ctx, expanded)


def uncached(pipeline: Any, arguments: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The steps of `pipeline`, called with `arguments`, that `names` mean.

    Parameters
    ----------
    pipeline : zenml.pipelines.pipeline_definition.Pipeline
    names
        ``all``, the name of a step in the run (``fine_tune_fer_a``), or of a step's function (``fine_tune``), which
        means all that call it.

    Raises
    ------
    ConfigError
        If a name means no step of this run; the message lists them.
    """
    if not names:
        return []
    draft = pipeline.copy()
    draft.prepare(**arguments)
    functions = {name: invocation.step.name for name, invocation in draft.invocations.items()}
    for name in names:
        if name not in (ALL, *functions, *functions.values()):
            known = [*dict.fromkeys([*functions.values(), *functions])]
            raise ConfigError(
                f"{_OPTION} {name}: this run has no such step{closest(name, known)}; it has {', '.join(functions)}."
            )
    return [name for name, function in functions.items() if {ALL, name, function} & set(names)]
