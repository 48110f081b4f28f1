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
# Faces that are predicted one by one for the time of one.
SINGLE = 100


def measure(classes: Sequence[str], weights: Sequence[Path], predict: Predict, *, batches: bool) -> None:
    """Run `predict`, (B, 48, 48) uint8 to (B, classes), on every picture, time each call, and write the report.

    Without `batches` the peer takes one face at a time, and is given one at a time.
    """
    pictures = np.load(sys.argv[1])

    def run(count: int, size: int) -> tuple[list[Any], list[float]]:
        """What it says, and seconds a face of each call."""
        probabilities, seconds = [], []
        for at in range(0, count, size):
            some = pictures[at : min(at + size, count)]
            start = time.perf_counter()
            probabilities.append(np.asarray(predict(some)))
            seconds.append((time.perf_counter() - start) / len(some))
        return probabilities, seconds

    size = BATCH if batches else 1
    # What compiles does it here: for whole batches, the last and smaller one, and one face.
    run(len(pictures) % size or size, size)
    run(min(len(pictures), 2 * size), size)
    run(2, 1)
    before = time.process_time()
    probabilities, seconds = run(len(pictures), size)
    processor = (time.process_time() - before) / len(pictures)
    report = {
        "classes": list(classes),
        "probabilities": np.concatenate(probabilities).astype(float).tolist(),
        "single": run(min(len(pictures), SINGLE), 1)[1] if batches else seconds,
        "batched": seconds if batches else [],
        "processor": processor,
        "bytes": sum(file.stat().st_size for file in weights),
    }
    Path(sys.argv[2]).write_text(json.dumps(report))
