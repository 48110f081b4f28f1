"""The evaluations of a run in the order of its tables."""

from collections.abc import Iterable, Mapping

from ferkit.config.run_config import RunConfig
from ferkit.config.run_plan import RunPlan
from ferkit.data.labels import Target
from ferkit.evaluation.evaluate import Evaluation

__all__ = ["in_order"]


def in_order(evaluations: Iterable[Mapping[Target, Evaluation]], config: RunConfig) -> list[Evaluation]:
    """The evaluations that `steps.evaluate` made, in the order of `ferkit.config.run_plan.RunPlan.judged`."""
    found = {(target, each.model): each for of_model in evaluations for target, each in of_model.items()}
    return [found[key] for key in RunPlan.of(config).judged]
