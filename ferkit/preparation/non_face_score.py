"""How sure the pixels of a picture are that it is not a face.

Small networks judge the picture at 24x24 together with statistics of its 48x48 pixels that no face has: few grey
levels, one level nearly everywhere, hardly any gradient. ``benchmarks/non_faces/train.py`` trains them on
FER-2013's faces, its few pictures that are not a face and thousands of drawn ones; ``benchmarks/cleaning.py`` measures
them. Their weights are part of the package, and numpy alone runs them: no download, no Keras backend, the same numbers
everywhere.
"""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import SIZE

__all__ = ["MODEL_PATH", "logits", "network_input", "non_face_score", "picture_statistics", "scaled_statistics"]

MODEL_PATH = Path(__file__).with_name("nonface_model.npz")

_CHUNK = 256  # pictures at a time in each thread: the patches of a convolution then take 20 MB
_HALF = SIZE // 2
_GRADIENT_STEPS = (2, 4, 8, 16, 32, 64, 128)
_CURVATURE_STEPS = (2, 8, 32, 128)
_STATISTICS_BOUND = 6.0

Floats = NDArray[np.float32]


def non_face_score(images: NDArray[np.uint8]) -> Floats:
    """Score of each picture from its pixels alone, 0 for a face to 1 for anything else.

    Parameters
    ----------
    images : (N, 48, 48) uint8

    Returns
    -------
    (N,) float32
        0.5 is where cross-validation dropped 0.2 % of FER-2013's faces.
    """
    model = _model()
    return np.asarray(1 / (1 + np.exp(np.clip(model["offset"] - logits(images, model), -30, 30))), dtype=np.float32)


def logits(images: NDArray[np.uint8], model: Mapping[str, Floats]) -> Floats:
    """(N,): mean logit of the networks in `model` that a picture is not a face, before the offset."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    chunks = [images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK)]
    # One BLAS thread for each of ours: BLAS threads of small products wait for each other, four times the work here.
    workers = min(4, os.cpu_count() or 1)
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(lambda chunk: _chunk_logits(chunk, model), chunks))
    return np.concatenate([*parts, np.empty(0, dtype=np.float32)])


def _chunk_logits(images: NDArray[np.uint8], model: Mapping[str, Floats]) -> Floats:
    statistics = scaled_statistics(picture_statistics(images), model["statistics_mean"], model["statistics_scale"])
    patches = _patches(network_input(images), side=5, stride=2)  # the same for each network
    members = int(model["members"])
    total = sum(_logit(model, member, patches, statistics) for member in range(members))
    return np.asarray(total / members, dtype=np.float32)


def network_input(images: NDArray[np.uint8]) -> Floats:
    """(N, 24, 24, 1): pictures at half size, with mean 0 and, unless they are nearly flat, deviation 1."""
    half = images.reshape(len(images), _HALF, 2, _HALF, 2).mean(axis=(2, 4), dtype=np.float32)
    mean, deviation = half.mean(axis=(1, 2), keepdims=True), half.std(axis=(1, 2), keepdims=True)
    return np.asarray((half - mean) / (deviation + 8), dtype=np.float32)[..., None]


def picture_statistics(images: NDArray[np.uint8]) -> Floats:
    """(N, 28): statistics of grey levels, gradients, curvature, straight lines and symmetry."""
    count = len(images)
    levels = _histogram(images, 256) / np.float32(SIZE * SIZE)
    largest = -np.sort(-levels, axis=1).cumsum(axis=1)
    pixels = images.astype(np.int16)
    across, down = np.abs(np.diff(pixels, axis=2)), np.abs(np.diff(pixels, axis=1))
    gradient = across[:, :-1] + down[:, :, :-1]
    curvature = np.abs(np.diff(pixels, n=2, axis=2)[:, 1:-1] + np.diff(pixels, n=2, axis=1)[:, :, 1:-1])
    coarse = images.reshape(count, 12, 4, 12, 4).mean(axis=(2, 4), dtype=np.float32)
    shape = coarse - coarse.mean(axis=(1, 2), keepdims=True)
    power = (shape * shape).sum(axis=(1, 2)) + 100
    below = levels.cumsum(axis=1)
    columns = [
        np.log((levels > 0).sum(axis=1)),
        *(-largest[:, [0, 1, 3, 15]]).T,
        -(levels * np.log(levels + 1e-9)).sum(axis=1),
        ((below < 0.99).sum(axis=1) - (below < 0.01).sum(axis=1)) / 255,
        pixels.mean(axis=(1, 2)) / 255,
        np.log1p(pixels.std(axis=(1, 2))),
        np.log1p(coarse.std(axis=(1, 2))),
        (shape * shape[:, :, ::-1]).sum(axis=(1, 2)) / power,
        (shape * shape[:, ::-1]).sum(axis=(1, 2)) / power,
        (across.max(axis=2) < 8).mean(axis=1),
        (down.max(axis=1) < 8).mean(axis=1),
        np.log1p(gradient.mean(axis=(1, 2))),
        np.log1p(curvature.mean(axis=(1, 2))),
        *((gradient < step).mean(axis=(1, 2)) for step in _GRADIENT_STEPS),
        *((curvature < step).mean(axis=(1, 2)) for step in _CURVATURE_STEPS),
        (curvature.astype(np.float32).std(axis=(1, 2)) + 1) / (gradient.mean(axis=(1, 2)) + 1),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def scaled_statistics(statistics: Floats, mean: Floats, scale: Floats) -> Floats:
    """Statistics in deviations from those of faces, bounded so that no odd picture can outweigh the rest."""
    return np.asarray(np.clip((statistics - mean) / scale, -_STATISTICS_BOUND, _STATISTICS_BOUND), dtype=np.float32)


def _histogram(images: NDArray[np.uint8], bins: int) -> Floats:
    count = len(images)
    index = images.reshape(count, -1) + bins * np.arange(count)[:, None]
    return np.bincount(index.ravel(), minlength=count * bins).reshape(count, bins).astype(np.float32)


@cache
def _model() -> dict[str, Floats]:
    with np.load(MODEL_PATH, allow_pickle=False) as arrays:
        return {name: arrays[name].astype(np.float32) for name in arrays.files}


def _logit(model: Mapping[str, Floats], member: int, patches: Floats, statistics: Floats) -> Floats:
    def apply(layer: str, features: Floats) -> Floats:
        kernel, bias = model[f"{member}/{layer}/kernel"], model[f"{member}/{layer}/bias"]
        flat = features.reshape(-1, features.shape[-1]) @ kernel.reshape(-1, kernel.shape[-1]) + bias
        return np.asarray(flat).reshape(*features.shape[:-1], kernel.shape[-1])

    features = _relu(apply("conv1", patches))
    features = _pool(_relu(apply("conv2", _patches(features, side=3))))
    features = _pool(_relu(apply("conv3", _patches(features, side=3))))
    hidden = _relu(apply("hidden", np.concatenate([features.reshape(len(features), -1), statistics], axis=1)))
    return apply("logit", hidden)[:, 0]


def _patches(features: Floats, side: int, stride: int = 1) -> Floats:
    """What each output of a convolution sees, with zeros around as Keras' ``padding="same"`` puts them.

    Keras pads ``side - stride`` in all where the stride divides the size, the smaller half before.
    """
    before = (side - stride) // 2
    edges = (before, side - stride - before)
    padded = np.pad(features, ((0, 0), edges, edges, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))[:, ::stride, ::stride]
    return np.ascontiguousarray(windows.transpose(0, 1, 2, 4, 5, 3)).reshape(*windows.shape[:3], -1)


def _relu(features: Floats) -> Floats:
    return np.maximum(features, 0, out=features)


def _pool(features: Floats) -> Floats:
    """The largest of each 2x2 block."""
    return np.maximum(
        np.maximum(features[:, ::2, ::2], features[:, 1::2, ::2]),
        np.maximum(features[:, ::2, 1::2], features[:, 1::2, 1::2]),
    )
