"""Joining a Ray cluster, what its nodes have, and what steps take along to them."""

import os
from collections.abc import Mapping
from typing import Any

import ray
from zenml.orchestrators.exceptions import PipelineSubmissionError
from zenml.utils.source_utils import get_source_root

from ferkit.orchestrators.ray.requests import Resources, unmet

__all__ = ["connect", "forwarded", "nodes", "require_room"]


def connect(config: Any) -> None:
    """Join the cluster that `config` names, unless this process has joined one; the checkout travels along.

    Parameters
    ----------
    config : ferkit.orchestrators.ray.flavor.RayClusterConfig

    Raises
    ------
    PipelineSubmissionError
        If there is no cluster.
    """
    if ray.is_initialized():
        return
    code = {"working_dir": get_source_root(), "excludes": config.excludes}
    try:
        ray.init(config.address, runtime_env=code, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError) as error:
        raise PipelineSubmissionError(
            f"no Ray cluster at {config.address!r} ({str(error).splitlines()[0]}): start one with `ray start "
            "--head`, name its address in the stack, or set RAY_AUTH_MODE=token if it asks for a token."
        ) from None


def nodes() -> dict[str, dict[str, float]]:
    """What each node of the cluster has, by its name."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    return {f"{node['NodeName']}-{node['NodeID'][:4]}": node["Resources"] for node in alive}


def require_room(config: Any, requests: Mapping[str, Resources]) -> None:
    """Whether there is a node for each step, by its name, unless the cluster makes nodes on demand.

    Raises
    ------
    PipelineSubmissionError
        If no node could ever run one of them.
    """
    if not config.elastic and (problem := unmet(requests, nodes())):
        raise PipelineSubmissionError(problem)


def forwarded(config: Any) -> dict[str, str]:
    """The variables of this process that steps have, too."""
    return {key: value for key, value in os.environ.items() if key.startswith(tuple(config.forwarded))}
