"""What is exported: a Keras model, and who says what it has to answer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import ModelName
from ferkit.data.labels import Protocol, Target
from ferkit.export.graph import answering, model_network
from ferkit.models.face_model import FaceModel, TargetProbabilities, forward

if TYPE_CHECKING:
    import keras

__all__ = ["ExportSource"]


@dataclass(frozen=True, eq=False)
class ExportSource:
    """A model to export.

    Attributes
    ----------
    name
        Of its files, without a suffix.
    network
        Pictures (N, 48, 48, 1) uint8 to a dictionary of probabilities by target.
    ask
        What ferkit says about pictures (N, 48, 48) uint8 without any export.
    protocols
        How labels are made, by target.
    """

    name: str
    network: "keras.Model"
    predict: Callable[[NDArray[np.uint8]], TargetProbabilities]
    protocols: dict[Target, Protocol]

    @classmethod
    def of_bundle(cls, bundle: Bundle, model: ModelName = "default") -> Self:
        """A model of a bundle, as `Bundle.predict` takes it."""
        # Compared with Keras, also where a file was exported before.
        bundle = Bundle(bundle.folder, quick=False)
        network = model_network(bundle, model)
        protocols = {target: bundle.card.targets[target].settings.protocol for target in network.output}

        def predict(images: NDArray[np.uint8]) -> TargetProbabilities:
            return bundle.predict_targets(images, protocols, model=model)

        return cls(f"{bundle.card.name}-{bundle.card.resolved(model)}", network, predict, protocols)

    @classmethod
    def of_file(cls, file: Path) -> Self:
        """A network in a .keras file that ferkit wrote.

        Raises
        ------
        DataError
            If it is none.
        """
        # Its target is told by its outputs.
        stored = FaceModel(file.stem, "fer", file)
        network = answering(stored.network)
        protocols: dict[Target, Protocol] = dict.fromkeys(network.output, "majority")
        return cls(file.stem, network, lambda images: forward(network, images), protocols)
