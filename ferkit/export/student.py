"""The LiteRT file of one network of a bundle, so that it answers without Keras and TensorFlow."""

import hashlib
from functools import cache

import numpy as np

from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import LiteRTCard
from ferkit.bundles.parity import ParityError, require_parity
from ferkit.data.dataset import FaceDataset
from ferkit.export.formats import Precision
from ferkit.export.litert import write_litert
from ferkit.models.face_model import forward
from ferkit.models.litert import LiteRTNetwork
from ferkit.sources.synthetic.generate import SyntheticSettings, generate

__all__ = ["write_litert_of"]


def write_litert_of(bundle: Bundle, name: str, precision: Precision = "float32") -> Bundle:
    """Write ``<name>.tflite`` into the folder of `bundle` and name it on the network's card.

    Parameters
    ----------
    name
        Of a network of the bundle.
    precision
        As of `ferkit.export.litert.write_litert`; ``int8_weights`` loses nothing where the bundle's own file is int8,
        and ``mixed_weights`` nothing but in the largest kernels where that is float16.

    Returns
    -------
    Bundle
        Read anew: it answers for that network with the file.

    Raises
    ------
    ParityError
        If the file does not say what the network says; nothing is changed then.
    """
    network = bundle.network(name)
    drawn = np.asarray(bundle.input.read(_drawn().images))
    file = bundle.folder / f"{name}.tflite"
    write_litert(network, file, precision, representative=drawn)
    predicted = forward(network, drawn)
    heads = bundle.card.networks[name].heads
    expected = {target: np.asarray(predicted[target] if isinstance(predicted, dict) else predicted) for target in heads}
    try:
        require_parity(file.name, expected, LiteRTNetwork(file)(drawn), precision)
    except ParityError:
        file.unlink()
        raise
    card = LiteRTCard(file=file.name, sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    networks = {**bundle.card.networks, name: bundle.card.networks[name].model_copy(update={"litert": card})}
    bundle.card.model_copy(update={"networks": networks}).write(bundle.folder)
    return Bundle(bundle.folder)


@cache
def _drawn() -> FaceDataset:
    """Faces to compare with; drawing them takes as long as writing a file."""
    return generate(SyntheticSettings(count=200)).faces
