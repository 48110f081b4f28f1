"""What every Python runner of this folder shares: pictures in, probabilities and seconds out.

    python RUNNER.py PICTURES.npy REPORT.json [VARIANT]

PICTURES is (N, 48, 48) uint8. It runs in the environment of its peer: numpy and the standard library are all it takes.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Predict = Callable[[Any], Any]

BATCH = 64
PASSES = 3
# Enough for a pass of about a second, with a network that takes milliseconds.
SINGLE = 100
BATCHED = 1024


def measure(classes: Sequence[str], weights: Sequence[Path], predict: Predict, *, batches: bool) -> None:
    """Run `predict`, (B, 48, 48) uint8 to (B, classes), on every picture, time it, and write the report.

    Without `batches` the peer takes one face at a time, and is given one at a time.
    """
    pictures = np.load(sys.argv[1])
    step = BATCH if batches else 1

    def run(count: int, size: int) -> list[Any]:
        return [np.asarray(predict(pictures[at : at + size])) for at in range(0, count, size)]

    run(min(len(pictures), 2 * BATCH), step)
    run(2, 1)
    report = {
        "classes": list(classes),
        "probabilities": np.concatenate(run(len(pictures), step)).astype(float).tolist(),
        "single": rates(lambda count: run(count, 1), min(len(pictures), SINGLE)),
        "batched": rates(lambda count: run(count, BATCH), min(len(pictures), BATCHED)) if batches else None,
        "bytes": sum(file.stat().st_size for file in weights),
    }
    Path(sys.argv[2]).write_text(json.dumps(report))


def rates(run: Callable[[int], Any], count: int) -> list[float]:
    """Faces a second in each of `PASSES` passes over `count` faces."""
    seconds = []
    for _ in range(PASSES):
        start = time.perf_counter()
        run(count)
        seconds.append(time.perf_counter() - start)
    return [count / each for each in seconds]
