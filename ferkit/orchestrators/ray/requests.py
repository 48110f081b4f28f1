"""What a step requests of a node, and whether the cluster has it; both in Ray's words: CPU, GPU, memory in bytes."""

from collections.abc import Iterable, Mapping
from typing import Any

from zenml.config import ByteUnit

__all__ = ["Resources", "fitting", "options", "request", "unmet"]

Resources = Mapping[str, float]


def request(settings: Any, default_cpus: float) -> dict[str, float]:
    """The resources that ZenML's `ResourceSettings` of a step request, in Ray's words."""
    memory = int(settings.get_memory(ByteUnit.B)) if settings.memory else 0
    return {"CPU": settings.cpu_count or default_cpus, "GPU": settings.gpu_count or 0, "memory": memory}


def options(requested: Resources) -> dict[str, float | None]:
    """Requested resources as options of a Ray task."""
    return {"num_cpus": requested["CPU"], "num_gpus": requested["GPU"], "memory": requested["memory"] or None}


def fitting(requested: Resources, nodes: Iterable[Resources]) -> int:
    """How many steps that request this find room on the nodes at the same time.

    Examples
    --------
    >>> fitting({"CPU": 2, "GPU": 0, "memory": 0}, [{"CPU": 5}, {"CPU": 1}, {"CPU": 2, "GPU": 1}])
    3
    """
    asked = {kind: amount for kind, amount in requested.items() if amount}
    return sum(min((int(node.get(kind, 0) // amount) for kind, amount in asked.items()), default=1) for node in nodes)


def unmet(requests: Mapping[str, Resources], nodes: Mapping[str, Resources]) -> str | None:
    """One line that names the first step which no node can run, and what the nodes have; None if there is none."""
    for step, requested in requests.items():
        if not any(all(requested[kind] <= node.get(kind, 0) for kind in requested) for node in nodes.values()):
            have = "; ".join(f"{name} has {_words(node)}" for name, node in nodes.items()) or "there are none"
            return f"step {step} asks for {_words(requested)}, which no node of the Ray cluster has: {have}."
    return None


def _words(of: Resources) -> str:
    memory = f", {of['memory'] / 1e9:.1f} GB of memory" if of.get("memory") else ""
    return f"{of.get('CPU', 0):g} CPU, {of.get('GPU', 0):g} GPU{memory}"
