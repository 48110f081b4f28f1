"""What a run of an experiment found, from what ZenML keeps of it."""

from typing import Any

from ferkit.cli.runs.comparing import evaluations_of
from ferkit.cli.runs.found import FinishedRun
from ferkit.config.run_config import RunConfig
from ferkit.environment import git_commit
from ferkit.experiments.results import CellRun, RunResult, deciding_split

__all__ = ["result_of"]


def result_of(finished: FinishedRun, config: RunConfig, key: str, seconds: float) -> RunResult:
    """What a run of the pipeline found, from its artifacts.

    Parameters
    ----------
    config
        What was run.
    key
        Of what the run is made from, see `ferkit.experiments.results.run_key`.
    seconds
        From its start to its end.
    """
    import pandas as pd

    evaluations = evaluations_of(finished.steps).values()
    histories = {}
    for step in finished.steps.values():
        for output, artifacts in step.outputs.items():
            if output.endswith("_history"):
                histories[output.removesuffix("_history")] = artifacts[0].load()
    return RunResult(
        record=CellRun(
            key=key,
            run=finished.name,
            commit=git_commit(),
            seconds=round(seconds, 3),
            training_seconds=round(sum(_seconds(finished.steps[each.step]) for each in config.trained()), 3),
        ),
        scores=pd.concat([each.to_table() for each in evaluations], ignore_index=True),
        predictions={(each.target, each.model): each.predictions[deciding_split(config)] for each in evaluations},
        histories=histories,
    )


def _seconds(step: Any) -> float:
    """How long a step took when it was executed, which may have been in an earlier run."""
    if step.original_step_run_id:
        from zenml.client import Client

        step = Client().get_run_step(step.original_step_run_id)
    if step.start_time is None or step.end_time is None:
        return 0.0
    return float((step.end_time - step.start_time).total_seconds())
