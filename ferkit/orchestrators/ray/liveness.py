"""Whether anybody still sees a run through whose submitter is gone: its supervisor does, on the head of its cluster."""

import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Any
from uuid import UUID

__all__ = ["HEAD", "is_lost"]

# Under which ZenML keeps the address of the head with a run.
HEAD = "ray_head"

_CONNECT_SECONDS, _ANSWER_SECONDS = 2.0, 30.0
# In a process of its own: one that is connected to a cluster submits nothing to another.
_ASK = """
import sys
from uuid import UUID
import ray
from ferkit.orchestrators.ray.supervisor import holder_of
ray.init(sys.argv[1], logging_level="ERROR", log_to_driver=False)
print("there" if holder_of(UUID(sys.argv[2])) else "gone")
"""


def is_lost(run_id: UUID, metadata: Mapping[str, Any]) -> bool:
    """Whether the head that the run was handed to refuses to talk, or knows nothing of its supervisor.

    A head that cannot be reached, or does not answer in time, is not known to be lost.

    Parameters
    ----------
    metadata
        What ZenML keeps with the run.
    """
    address = str(metadata.get(HEAD, ""))
    host, _, port = address.rpartition(":")
    if not host:
        return False
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except (OSError, ValueError):
        return False
    asking = [sys.executable, "-c", _ASK, address, str(run_id)]
    try:
        said = subprocess.run(asking, capture_output=True, text=True, check=True, timeout=_ANSWER_SECONDS)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return False
    return said.stdout.split()[-1:] == ["gone"]
