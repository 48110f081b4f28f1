"""How long models take for a picture, each measured beside the others."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BATCHES", "SECONDS", "Latency", "measure_latency"]

# A face in a picture, and many: faces of a video, a folder.
BATCHES = (1, 32)
# That each model is timed for, with each size of a batch.
SECONDS = 1.5
_FEWEST, _MOST = 2, 50
# Calls of a turn that are timed; the one before them brings the model back into the processor's caches.
_TURN = 3


@dataclass(frozen=True)
class Latency:
    """Milliseconds a picture, of a batch of so many.

    Attributes
    ----------
    wall
        Median of the time that passed.
    processor
        Median of the time that all threads computed; steadier beside other work.
    """

    batch: int
    wall: float
    processor: float


def measure_latency(
    models: Mapping[str, Callable[[NDArray[np.uint8]], Any]], images: NDArray[np.uint8], seconds: float = SECONDS
) -> dict[str, list[Latency]]:
    """Time each of `models`, which take turns so that whatever else the machine does meets all of them.

    Parameters
    ----------
    models
        By name; each takes pictures (B, side, side[, 3]) uint8.
    images : (N, side, side[, 3]) uint8
        N at least 1.
    seconds
        For each model and batch, about: 2 to 50 turns of three calls.
    """
    measured: dict[str, list[Latency]] = {name: [] for name in models}
    for batch in BATCHES:
        some = np.resize(images, (batch, *images.shape[1:]))
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
        # Allocates and compiles.
        started = [_timed(model, some)[0] for model in models.values()]
        again = [_timed(model, some)[0] for model in models.values()]
        slowest = max(map(min, zip(started, again, strict=True)))
        for _ in range(int(np.clip(seconds / slowest / _TURN, _FEWEST, _MOST))):
            for name, model in models.items():
                model(some)
                times[name] += [_timed(model, some) for _ in range(_TURN)]
        for name, pairs in times.items():
            wall, processor = np.median(pairs, axis=0) * 1e3 / batch
            measured[name].append(Latency(batch, float(wall), float(processor)))
    return measured


def _timed(model: Callable[[NDArray[np.uint8]], Any], images: NDArray[np.uint8]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    model(images)
    return time.perf_counter() - wall, time.process_time() - processor
