"""`FaceModel`: a trained network with what is needed to use it."""

import hashlib
import json
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Split, Target, class_names
from ferkit.data.picture_blocks import blocks
from ferkit.data.stored_pictures import Images, with_channels
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError
from ferkit.models.keras_input import array_input
from ferkit.models.network_file import load_network
from ferkit.models.predictions import Predictions
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation

if TYPE_CHECKING:
    import keras

__all__ = ["FaceModel", "TargetProbabilities", "class_count", "forward", "predict", "predict_targets"]

# Class probabilities of pictures from the heads of one network, by target: (N, classes) float32.
TargetProbabilities = dict[Target, NDArray[np.float32]]

_BATCH = 256
# Batches that several devices share in one call.
_DEVICE_BATCHES = 8


@dataclass(frozen=True, eq=False)
class FaceModel:
    """A network on disk; reading its weights, and importing Keras, waits until it has to predict.

    Attributes
    ----------
    name
        What the run calls it, such as ``vggface``.
    target
        The labels that it predicts: ``fer`` (7 classes) or ``ferplus`` (8).
    file
        The network as .keras: (B, 48, 48, 1) uint8, or whatever the pictures were that it was trained on, to
        (B, classes) float32 that sum to one, or to a dictionary of them by target.
    names
        Of its classes, in the order of the network's outputs; not needed of a declared target such as ``fer``.
    """

    name: str
    target: Target
    file: Path
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not zipfile.is_zipfile(self.file):
            raise DataError(f"{self.file} is no .keras archive: the model {self.name} is missing or was cut short.")

    @classmethod
    def save(cls, network: "keras.Model", name: str, target: Target, file: Path) -> Self:
        """Write `network` to `file` and return the model that it is."""
        network.save(file)
        return cls(name, target, file)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the network's outputs."""
        return self.names or class_names(self.target)

    @cached_property
    def network(self) -> "keras.Model":
        """The network, loaded in Keras' safe mode."""
        return load_network(self.file)

    def predict(self, images: Images, tta: TestTimeAugmentation = NO_TTA) -> NDArray[np.float32]:
        """Probabilities (N, classes) float32 of pictures, averaged over the views that `tta` makes of each."""
        return predict(self.network, images, self.target, tta)

    def predict_split(
        self, faces: FaceDataset, target: TargetSettings, split: Split, tta: TestTimeAugmentation = NO_TTA
    ) -> Predictions:
        """Predictions for the pictures of `split` that have a label for `target`."""
        return self.predict_heads(faces, [target], split, tta)[target.name]

    def predict_heads(
        self, faces: FaceDataset, targets: Sequence[TargetSettings], split: Split, tta: TestTimeAugmentation = NO_TTA
    ) -> dict[Target, Predictions]:
        """Predictions of the head for each of `targets`, for the pictures of `split` that have a label for it.

        Each picture is seen once, however many heads the network has.
        """
        pictures = faces.of_split(split)
        found = predict_targets(self.network, pictures.images, [target.name for target in targets], tta)
        return {target.name: Predictions.of_labelled(pictures, split, target, found[target.name]) for target in targets}

    def copy_to(self, folder: Path) -> None:
        """Write ``network.keras`` and ``model.json`` into `folder`, which is there; `read` reads them."""
        shutil.copyfile(self.file, folder / "network.keras")
        about = {"name": self.name, "target": self.target, "classes": list(self.names)}
        (folder / "model.json").write_text(json.dumps(about))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The model in ``network.keras`` and ``model.json`` of `folder`, as `copy_to` writes them."""
        about = json.loads((folder / "model.json").read_text())
        return cls(about["name"], about["target"], folder / "network.keras", tuple(about["classes"]))

    def content_hash(self) -> str:
        """sha256 of the configuration and the weights; the archive's dates do not enter."""
        digest = hashlib.sha256(f"{self.name} {self.target}{self.names or ''}".encode())
        try:
            with zipfile.ZipFile(self.file) as archive:
                for part in ("config.json", "model.weights.h5"):
                    digest.update(archive.read(part))
        except (OSError, LookupError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{self.file} is no .keras archive, or was damaged ({error}).") from error
        return digest.hexdigest()


def predict(
    network: "keras.Model", images: Images, target: Target, tta: TestTimeAugmentation = NO_TTA
) -> NDArray[np.float32]:
    """Class probabilities of pictures for one target, averaged over the views of test-time augmentation.

    Parameters
    ----------
    network
        With one head, or with a head for each of several targets, of which that of `target` is read.
    images : (N, H, W) or (N, H, W, 3) uint8
        Grey or RGB pictures, as the network was trained on; in memory or in files.
    target
        Whose classes the columns are.
    tta
        Test-time augmentation; none by default.

    Returns
    -------
    (N, classes) float32
        Rows sum to one.
    """
    return predict_targets(network, images, [target], tta)[target]


def predict_targets(
    network: "keras.Model",
    images: Images,
    targets: Iterable[Target],
    tta: TestTimeAugmentation = NO_TTA,
) -> TargetProbabilities:
    """Class probabilities of pictures for several targets, averaged over the views of test-time augmentation.

    The network computes each view once, however many heads it has. Views are made of a batch of pictures at a time,
    pictures in files are read a block at a time.

    Parameters
    ----------
    network
        With a head for each of `targets`, or with a single head, whose output stands for every one of them.
    images : (N, H, W) or (N, H, W, 3) uint8
        Grey or RGB pictures, as the network was trained on; in memory or in files.
    targets
        Whose probabilities are returned.
    tta
        Test-time augmentation; none by default.

    Returns
    -------
    dict of (N, classes) float32 by target
        Rows sum to one.
    """
    probabilities: TargetProbabilities = {
        target: np.zeros((len(images), class_count(network, target)), np.float32) for target in targets
    }
    if not len(images):
        return probabilities
    devices = _devices()
    # A single batch needs no pipeline of data; among devices Keras shares what comes through one.
    step = _BATCH if devices == 1 else _DEVICE_BATCHES * (_BATCH - _BATCH % devices)
    for start, block in blocks(images):
        for at in range(0, len(block), step):
            piece = block[at : at + step]
            place = slice(start + at, start + at + len(piece))
            _predict_piece(
                network, piece, {target: values[place] for target, values in probabilities.items()}, tta, devices
            )
    return probabilities


def class_count(network: "keras.Model", target: Target) -> int:
    """Number of outputs of `network` for `target`."""
    # A Sequential that was read has `outputs` alone; of others, those do not say their names.
    output = getattr(network, "output", None)
    if output is None:
        output = network.outputs[0]
    return int((output[target] if isinstance(output, dict) else output).shape[-1])


def _predict_piece(
    network: "keras.Model",
    images: NDArray[np.uint8],
    probabilities: TargetProbabilities,
    tta: TestTimeAugmentation,
    devices: int,
) -> None:
    """Write the predictions for `images` into `probabilities`, which are zero."""
    missing = -len(images) % devices
    padded = np.concatenate([images, images[:1].repeat(missing, axis=0)]) if missing else images
    seen = 0
    for view in tta.augment(padded):
        seen += 1
        outputs = forward(network, view, _BATCH - _BATCH % devices)
        for target, values in probabilities.items():
            values[:] += (outputs[target] if isinstance(outputs, dict) else outputs)[: len(images)]
    for values in probabilities.values():
        values[:] /= seen


def forward(network: "keras.Model", images: NDArray[np.uint8], batch_size: int = _BATCH) -> Any:
    """Raw output of `network` for pictures (N, H, W[, 3]) uint8: an array, or a dictionary of arrays by target."""
    pictures = with_channels(images)
    if len(images) <= batch_size:
        # Without the tens of milliseconds that `predict` takes to set up a pipeline of data.
        return network.predict_on_batch(np.ascontiguousarray(pictures))
    return network.predict(**array_input(pictures, batch_size), verbose=0)


def _devices() -> int:
    """Number of devices among which JAX has to share each batch evenly."""
    import keras

    distribution = keras.distribution.distribution()
    return 1 if distribution is None else int(np.prod(distribution.device_mesh.shape))
