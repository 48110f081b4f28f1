"""What the operations of some training steps take, by kind, from TensorFlow's own profiler.

Times of operations that run side by side are added up; an operation that spreads over threads counts once, from its
begin to its end.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["KINDS", "operation_shares"]

# The first whose pattern is found in "scope/of/the/operation:Type" is the kind of it.
KINDS = {
    "convolutions and products, gradient by weights": r":.*BackpropFilter|MatMul_1:",
    "convolutions and products, gradient by input": r":.*BackpropInput|gradient_tape.*:.*MatMul",
    "convolutions and products": r":.*(Conv2D|MatMul)",
    "BatchNorm": r"BatchNorm|batch_norm|_bn_?\d*/",
    "optimizer": r"(^|/)(adam|sgd|averaging)\w*/",
    "reading, augmentation, resizing": r"^Iterator|(^|/)(augmentation|mixing|resize|preprocessing)\w*/",
    "activations, pooling, sums": r"Relu|Pool|AddN|AddV2",
    "changes of precision": r":Cast$",
    "everything else": "",
}


def operation_shares(steps: Callable[[], Any]) -> dict[str, float]:
    """The share of each of `KINDS`, of the time of all operations that TensorFlow runs on the processor in `steps`."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        try:
            steps()
        finally:
            tf.profiler.experimental.stop()
        times: Counter[str] = Counter()
        for file in Path(folder).rglob("*.xplane.pb"):
            times.update(_times(file.read_bytes()))
    whole = sum(times.values())
    return {kind: times[kind] / whole for kind in KINDS}


def _times(trace: bytes) -> Counter[str]:
    """Picoseconds of each kind."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(trace)
    times: Counter[str] = Counter()
    for plane in space.planes:
        # Operations of a graph have their type as a second name; what surrounds them has none.
        kinds = {key: _kind(each.name) for key, each in plane.event_metadata.items() if each.display_name}
        for line in plane.lines:
            for event in line.events:
                if event.metadata_id in kinds:
                    times[kinds[event.metadata_id]] += event.duration_ps
    return times


def _kind(name: str) -> str:
    return next(kind for kind, pattern in KINDS.items() if re.search(pattern, name))
