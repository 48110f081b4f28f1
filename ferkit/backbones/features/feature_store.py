"""`FeatureStore`: features of a frozen backbone that outlast a training; the next one asks it about new pictures only.

Importing this module imports Keras.
"""

import hashlib
import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ferkit.files import cache_folder

__all__ = ["LIMIT_BYTES", "FeatureStore", "picture_digests"]

# Of all files together. The oldest go first; a backbone whose own features are more than that is asked again.
LIMIT_BYTES = 4 * 2**30

_DIGEST = 16
# How many parameters a statement of SQLite may have in any version.
_AT_ONCE = 500
_WAIT_S = 30.0
_OF_TRAINING = ("_initializer", "_regularizer", "_constraint", "seed", "trainable")


class FeatureStore:
    """What one feature extractor makes of pictures, by their content, in a file of the cache.

    Trainings that differ in seed, balancing or head share it. It only saves time: what cannot be read or written, on a
    full disk or in a folder without permission, is as if it were not there.

    Parameters
    ----------
    extractor
        Pictures to features (B, F). Its weights, its layers and the precision that they compute in name the file.
    folder
        ``features`` in `ferkit.files.cache_folder` if None; made when something is to be kept.

    Examples
    --------
    >>> import tempfile
    >>> extractor = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten()])
    >>> store = FeatureStore(extractor, Path(tempfile.mkdtemp()))
    >>> digests = picture_digests(np.zeros((1, 2, 2), np.uint8))
    >>> store.read(digests)
    {}
    >>> store.write(digests, np.ones((1, 4), np.float32))
    >>> store.read(digests)[digests[0]].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(self, extractor: keras.Model, folder: Path | None = None) -> None:
        self._folder = cache_folder() / "features" if folder is None else folder
        self._file = self._folder / f"{_identity(extractor)}.db"
        self._width = int(extractor.output_shape[1])

    def read(self, digests: list[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """The features (F,) that are known of the pictures with these `picture_digests`, by digest."""
        known: dict[bytes, NDArray[np.float32]] = {}
        if not self._file.is_file():
            return known
        wanted = list(dict.fromkeys(digests))
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._file, timeout=_WAIT_S)) as store:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                marks = ",".join("?" * len(some))
                # The statement holds nothing but question marks.
                rows = store.execute(f"select digest, value from features where digest in ({marks})", some)  # noqa: S608
                known.update((digest, np.frombuffer(value, "<f4")) for digest, value in rows)
        return {digest: value for digest, value in known.items() if value.shape == (self._width,)}

    def write(self, digests: list[bytes], features: NDArray[np.float32]) -> None:
        """Keep the features (N, F) of N pictures."""
        rows = [(digest, row.astype("<f4").tobytes()) for digest, row in zip(digests, features, strict=True)]
        with suppress(sqlite3.Error, OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            if not self._make_room(len(rows) * (4 * self._width + _DIGEST)):
                return
            with closing(sqlite3.connect(self._file, timeout=_WAIT_S)) as store, store:
                store.execute("create table if not exists features (digest blob primary key, value blob) without rowid")
                store.executemany("insert or replace into features values (?, ?)", rows)

    def _make_room(self, more: int) -> bool:
        """Remove what was written to longest ago until `more` bytes fit; False if this file alone leaves no room."""
        files = sorted(self._folder.glob("*.db"), key=lambda file: file.stat().st_mtime)
        total = sum(file.stat().st_size for file in files) + more
        for file in files:
            if total <= LIMIT_BYTES:
                return True
            if file != self._file:
                total -= file.stat().st_size
                file.unlink()
        return total <= LIMIT_BYTES


def picture_digests(images: NDArray[np.uint8]) -> list[bytes]:
    """A hash of 16 bytes of the pixels of each of N pictures (N, side, side[, 3])."""
    shape = repr(images.shape[1:]).encode()
    return [
        hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=_DIGEST, key=shape).digest() for image in images
    ]


def _identity(extractor: keras.Model) -> str:
    """Of everything that decides what the extractor makes of a picture."""
    described = json.dumps([keras.backend.backend(), _plain(extractor.get_config(), {})], sort_keys=True, default=str)
    digest = hashlib.sha256(described.encode())
    for weight in extractor.weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(keras.ops.cast(weight, "float32"))).data)
    return digest.hexdigest()[:32]


def _plain(config: Any, layers: dict[str, str]) -> Any:
    """A configuration without what only a training reads, and with the layers counted.

    Keras gives a layer without a name one that says how many of its kind this process has made; `layers` has those that
    were met, by name.
    """
    if isinstance(config, dict):
        for name in [config.get("name"), *(each.get("name") for each in config.get("layers", ()))]:
            if isinstance(name, str):
                layers.setdefault(name, f"layer {len(layers)}")
        return {key: _plain(value, layers) for key, value in config.items() if not key.endswith(_OF_TRAINING)}
    if isinstance(config, list | tuple):
        return [_plain(value, layers) for value in config]
    return layers.get(config, config) if isinstance(config, str) else config
