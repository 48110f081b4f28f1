"""What a step asks of a node, and whether the cluster has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zenml.config import ByteUnit

__all__ = ["Request", "unmet"]


@dataclass(frozen=True)
class Request:
    """Resources of one step.

    Attributes
    ----------
    cpus, gpus
        Cores and GPUs.
    memory : bytes
        Main memory, 0 if none is asked for.
    """

    cpus: float
    gpus: float
    memory: int

    @classmethod
    def of(cls, settings: Any, default_cpus: float) -> "Request":
        """From ZenML's `ResourceSettings`."""
        memory = int(settings.get_memory(ByteUnit.B)) if settings.memory else 0
        return cls(settings.cpu_count or default_cpus, settings.gpu_count or 0, memory)

    @classmethod
    def of_node(cls, resources: Mapping[str, float]) -> "Request":
        """The most that a node could meet, from what Ray says it has."""
        return cls(resources.get("CPU", 0), resources.get("GPU", 0), int(resources.get("memory", 0)))

    def options(self) -> dict[str, float | None]:
        """As the options of a Ray task."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "memory": self.memory or None}

    def within(self, node: "Request") -> bool:
        """Whether a node that has `node` could ever run the step."""
        return self.cpus <= node.cpus and self.gpus <= node.gpus and self.memory <= node.memory

    def __str__(self) -> str:
        memory = f", {self.memory / 1e9:.1f} GB of memory" if self.memory else ""
        return f"{self.cpus:g} CPU, {self.gpus:g} GPU{memory}"


def unmet(requests: Mapping[str, Request], nodes: Mapping[str, Request]) -> str | None:
    """One line that names the first step which no node can run, and what the nodes have; None if there is none."""
    for step, request in requests.items():
        if not any(map(request.within, nodes.values())):
            have = "; ".join(f"{name} has {node}" for name, node in nodes.items()) or "there are none"
            return f"step {step} asks for {request}, which no node of the Ray cluster has: {have}."
    return None
