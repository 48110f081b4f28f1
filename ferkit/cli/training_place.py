"""Whether the cluster that the trainings of a run go to is there, asked before anything runs."""

from ferkit.config.run_config import RunConfig
from ferkit.errors import ConfigError
from ferkit.stacks.placement import Placement, resource_settings

__all__ = ["require_training_place"]


def require_training_place(config: RunConfig, placement: Placement) -> None:
    """Whether a step operator of the flavor ``ray`` finds a cluster with a node for each training of `config`.

    Otherwise the run would come to its first training, minutes later, to say so.

    Parameters
    ----------
    placement
        How the active stack gives steps their resources.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if placement.step_operator is None or placement.step_operator.flavor != "ray":
        return
    from zenml.client import Client
    from zenml.orchestrators.exceptions import PipelineSubmissionError

    needs = {each.step: resource_settings(config.resources_of(each)) for each in config.trained()}
    try:
        Client().active_stack.step_operator.require_room(needs)
    except PipelineSubmissionError as error:
        raise ConfigError(str(error)) from None
