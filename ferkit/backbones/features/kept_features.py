"""`KeptFeatures`: what a frozen backbone makes of each picture, computed once, for a head that learns alone.

Those that an earlier training has computed come from a `ferkit.backbones.features.feature_store.FeatureStore`.

Importing this module imports Keras.
"""

import logging
import tempfile
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ferkit.backbones.features.feature_store import FeatureStore, picture_digests
from ferkit.backbones.network import BACKBONE, POOL
from ferkit.data.labels import Target
from ferkit.data.picture_blocks import blocks
from ferkit.data.stored_pictures import Images, with_channels
from ferkit.errors import TrainingError

__all__ = ["IN_MEMORY_BYTES", "KeptFeatures", "split_head"]

_LOG = logging.getLogger(__name__)

# Features of the training pictures, or of those that judge, that are kept in memory; more of them lie in a file. Of
# 2,048 features a picture, the most that a backbone of the registry has, these are 32,768 pictures.
IN_MEMORY_BYTES = 256 * 2**20

_BATCH = 256
# Pictures whose features are looked up, and kept for the next training, at a time.
_PIECE = 16 * _BATCH
_PROGRESS_SECONDS = 20.0


def split_head(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """The feature extractor and the head of a network, which both share its layers.

    Parameters
    ----------
    network
        From `ferkit.backbones.build_network`.

    Returns
    -------
    extractor
        Pictures as `network` takes them to features (B, F), pooled where the backbone gives a map.
    head
        Those features to what `network` puts out.

    Examples
    --------
    >>> from ferkit.backbones import BackboneSettings, build_network
    >>> network = build_network(BackboneSettings(name="fernet", width=4), {"fer": 7}, seed=0)
    >>> extractor, head = split_head(network)
    >>> extractor.output_shape, head.output_shape
    ((None, 32), (None, 7))
    """
    names = [layer.name for layer in network.layers]
    first = names.index(BACKBONE) + 1
    if names[first] == POOL:
        first += 1
    features = network.layers[first].input
    return keras.Model(network.input, features), keras.Model(features, network.output)


class KeptFeatures:
    """The features of the pictures of one training; each set of them is computed when it is first asked for.

    Parameters
    ----------
    network
        Whose features are constant, see `ferkit.backbones.freezing.features_are_constant`.
    training, selection : (N, side, side[, 3]) uint8
        Pictures to learn from, and those that judge.
    folder
        Where features lie that are too many for memory, in files that end with this process; the system's folder for
        temporary files if None.

    Attributes
    ----------
    head
        The rest of the network: features (B, F) to what `network` puts out. Its layers are the network's own.
    """

    def __init__(self, network: keras.Model, training: Images, selection: Images, folder: Path | None) -> None:
        self._extractor, self.head = split_head(network)
        self._training, self._selection, self._folder = training, selection, folder
        self._spoke = time.monotonic()

    @cached_property
    def training(self) -> NDArray[np.float32]:
        """(N, F) of the training pictures; an ``np.memmap`` if they lie in a file."""
        return self._of(self._training)

    @cached_property
    def selection(self) -> NDArray[np.float32]:
        """(V, F) of the pictures that judge; an ``np.memmap`` if they lie in a file."""
        return self._of(self._selection)

    @cached_property
    def _store(self) -> FeatureStore:
        # It reads all weights to know its file.
        return FeatureStore(self._extractor)

    def predict(self, targets: list[Target]) -> dict[Target, NDArray[np.float32]]:
        """Probabilities (V, classes) that the head gives the pictures that judge, for each of `targets`."""
        pieces: dict[Target, list[Any]] = {target: [] for target in targets}
        for start in range(0, len(self.selection), _BATCH):
            answer = self.head.predict_on_batch(np.asarray(self.selection[start : start + _BATCH]))
            for target, of_target in pieces.items():
                of_target.append(answer[target] if isinstance(answer, dict) else answer)
        return {target: np.concatenate(of_target).astype(np.float32) for target, of_target in pieces.items()}

    def _of(self, images: Images) -> NDArray[np.float32]:
        shape = len(images), self.head.input_shape[1]
        if 4 * np.prod(shape, dtype=np.int64) <= IN_MEMORY_BYTES:
            features = np.empty(shape, np.float32)
            for start, piece in self._pieces(images):
                features[start : start + len(piece)] = piece
            return features
        # Unnamed, so that nothing is left even of a process that is killed. Written before it is mapped: a full disk
        # is then an error, and not a signal. What is left in the buffer of a file fails again where that is closed.
        try:
            with tempfile.TemporaryFile(dir=self._folder) as file:
                for _, piece in self._pieces(images):
                    file.write(np.ascontiguousarray(piece).data)
                file.flush()
                return np.memmap(file, np.float32, "r", shape=shape)
        except OSError as error:
            raise TrainingError(
                f"the features of {len(images):,} pictures, {4e-9 * shape[0] * shape[1]:.1f} GB, could not be "
                f"written to {self._folder or tempfile.gettempdir()} ({error}): free some space and run again."
            ) from error

    def _pieces(self, images: Images) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The features of some pictures after the other, and the index of the first of them."""
        for start, block in blocks(images):
            for at in range(0, len(block), _PIECE):
                yield start + at, self._features(block[at : at + _PIECE], start + at, len(images))

    def _features(self, pictures: NDArray[np.uint8], first: int, total: int) -> NDArray[np.float32]:
        """The features of some pictures: the backbone is asked about those that neither the store nor itself knows."""
        digests = picture_digests(pictures)
        known = self._store.read(digests)
        unknown = {digest: at for at, digest in enumerate(digests) if digest not in known}
        new, places = [*unknown], [*unknown.values()]
        for start in range(0, len(new), _BATCH):
            asked = np.ascontiguousarray(with_channels(pictures[places[start : start + _BATCH]]))
            answered = np.asarray(self._extractor.predict_on_batch(asked), dtype=np.float32)
            known.update(zip(new[start : start + _BATCH], answered, strict=True))
            if time.monotonic() - self._spoke >= _PROGRESS_SECONDS:
                self._spoke = time.monotonic()
                _LOG.info("features of %s of %s pictures", f"{first + places[start] + len(asked):,}", f"{total:,}")
        if new:
            self._store.write(new, np.stack([known[digest] for digest in new]))
        return np.stack([known[digest] for digest in digests])
