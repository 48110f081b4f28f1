"""What is exported: a Keras model, and who says what it has to answer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import ModelName
from ferkit.data.input_card import InputCard
from ferkit.data.labels import DECLARED_TARGETS, Target, names_of_outputs
from ferkit.data.targets import TargetSettings
from ferkit.export.graph import answering, input_of, model_network
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
        Pictures (N, side, side, 1 or 3) uint8 to a dictionary of probabilities by target.
    predict
        What ferkit says about pictures (N, side, side[, 3]) uint8 without any export.
    targets
        How labels are made, by target.
    classes
        Names of the classes of each target; of a .keras file, which does not say them, their numbers.
    """

    name: str
    network: "keras.Model"
    predict: Callable[[NDArray[np.uint8]], TargetProbabilities]
    targets: dict[Target, TargetSettings]
    classes: dict[Target, tuple[str, ...]]

    @property
    def input(self) -> InputCard:
        """The pictures that it takes."""
        return input_of(self.network)

    @classmethod
    def of_bundle(cls, bundle: Bundle, model: ModelName = "default") -> Self:
        """A model of a bundle, as `Bundle.predict` takes it."""
        # Compared with Keras, also where a file was exported before.
        bundle = Bundle(bundle.folder, quick=False)
        network = model_network(bundle, model)
        targets = {target: bundle.card.targets[target].labelling for target in network.output}

        def predict(images: NDArray[np.uint8]) -> TargetProbabilities:
            return bundle.predict_targets(images, targets, model=model)

        classes = {target: bundle.classes(target) for target in targets}
        return cls(f"{bundle.card.name}-{bundle.card.resolved(model)}", network, predict, targets, classes)

    @classmethod
    def of_file(cls, file: Path) -> Self:
        """A network in a .keras file that ferkit wrote.

        Raises
        ------
        DataError
            If it is none.
        """
        # Its target is told by its outputs.
        stored = FaceModel(file.stem, "", file)
        network = answering(stored.network)
        classes = {target: names_of_outputs(target, each.shape[-1]) for target, each in network.output.items()}
        targets = {
            target: TargetSettings(name=target, classes=None if target in DECLARED_TARGETS else names)
            for target, names in classes.items()
        }
        return cls(file.stem, network, lambda images: forward(network, images), targets, classes)
