"""The configuration of the run that a step belongs to, with what is no part of the step's cache key."""

from zenml import get_step_context

from ferkit.config.run_config import RunConfig

__all__ = ["as_extra", "whole_config"]


def as_extra(config: RunConfig) -> dict[str, object]:
    """What the pipeline has to be given as ZenML's ``extra`` so that `whole_config` finds `config` there."""
    return {"config": config.model_dump(mode="json", by_alias=True)}


def whole_config() -> RunConfig:
    """The configuration of the run, its names included: to be written down, not to be decided by.

    What decides about the result of a step has to be a parameter of it, or the cache would not see it change.
    """
    return RunConfig.model_validate(get_step_context().pipeline_run.config.extra["config"])
