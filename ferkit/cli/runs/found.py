"""Runs of the pipeline as ZenML has them: found by name, with the configuration that each had."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ferkit.config.run_config import RunConfig
from ferkit.errors import DataError

__all__ = ["PIPELINE", "FinishedRun", "all_runs", "configuration_of", "executed_in", "find_run", "steps_of"]

PIPELINE = "train"


def find_run(name: str) -> Any:
    """ZenML's run of this name or id.

    Raises
    ------
    DataError
        If there is none; the last ones are named.
    """
    from zenml.client import Client

    try:
        return Client().get_pipeline_run(name, allow_name_prefix_match=False)
    except KeyError:
        found = Client().list_pipeline_runs(sort_by="desc:created", size=5).items
        names = ", ".join(each.name for each in found)
        raise DataError(f"no run {name!r}; the last ones are {names or 'none'}.") from None


def all_runs() -> list[Any]:
    """Every run of the pipeline, the newest first, with its steps."""
    from zenml.client import Client
    from zenml.utils.pagination_utils import depaginate

    return list(
        depaginate(Client().list_pipeline_runs, sort_by="desc:created", pipeline=PIPELINE, size=100, hydrate=True)
    )


def steps_of(run: Any) -> dict[str, Any]:
    """The steps of a ZenML run by their names, with what they made and from which step they have it from the cache.

    The steps that the run itself gives are asked for that one by one, for five times as long.

    Parameters
    ----------
    run : zenml.models.PipelineRunResponse

    Returns
    -------
    dict of str to zenml.models.StepRunResponse
    """
    from zenml.client import Client
    from zenml.utils.pagination_utils import depaginate

    # As `PipelineRunResponse.steps` asks, but for the last word.
    found = depaginate(
        Client().list_run_steps, pipeline_run_id=run.id, project=run.project_id, exclude_retried=True, hydrate=True
    )
    return {step.name: step for step in found}


@dataclass(frozen=True)
class FinishedRun:
    """A run that has succeeded, with its steps, which change no more.

    Attributes
    ----------
    run : zenml.models.PipelineRunResponse
        As ZenML has it.
    steps : mapping of str to zenml.models.StepRunResponse
        See `steps_of`.
    """

    run: Any
    steps: Mapping[str, Any]

    @classmethod
    def of(cls, run: Any) -> "FinishedRun":
        """ZenML's `run`, whose steps are asked for."""
        return cls(run, steps_of(run))

    @property
    def name(self) -> str:
        """Name of the run."""
        return str(self.run.name)


def configuration_of(run: Any) -> RunConfig | None:
    """The configuration that a run was started with; None of one that is older than that is kept."""
    kept = run.config.extra.get("config")
    return RunConfig.model_validate(kept) if kept else None


@dataclass(frozen=True)
class Executed:
    """A run, and the other runs whose steps were executed in its place.

    Attributes
    ----------
    name
        Name of the run.
    steps
        Ids of the steps that were executed in it.
    cached
        Ids of the steps, of other runs, that its own were taken from the cache for.
    """

    name: str
    steps: frozenset[str]
    cached: frozenset[str]


def executed_in(run: Any) -> Executed:
    """What of a run was executed in it, and what elsewhere."""
    steps = steps_of(run).values()
    return Executed(
        run.name,
        frozenset(str(each.id) for each in steps if not each.original_step_run_id),
        frozenset(str(each.original_step_run_id) for each in steps if each.original_step_run_id),
    )
