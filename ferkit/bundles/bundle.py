"""A bundle: networks on disk that answer together, and those that learned from what these answer."""

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferkit.backbones.network import build_network
from ferkit.bundles.card import BundleCard, ModelName, TargetCard, Vote
from ferkit.bundles.weights import read_weights
from ferkit.data.dataset import FaceDataset
from ferkit.data.input_card import InputCard
from ferkit.data.labels import Split, Target
from ferkit.data.stored_pictures import Images
from ferkit.data.targets import labelled
from ferkit.errors import DataError, WeightsError
from ferkit.file_hashes import file_sha256
from ferkit.models.face_model import TargetProbabilities, predict_targets
from ferkit.models.predictions import Predictions
from ferkit.models.temperature import apply_temperature
from ferkit.models.test_time_augmentation import TestTimeAugmentation

if TYPE_CHECKING:
    import keras

    from ferkit.models.litert import LiteRTNetwork

__all__ = ["SHIPPED", "Bundle", "load_bundle", "mixture"]

SHIPPED = Path(__file__).with_name("reference")

# Pictures between two signs of life.
_CHUNK = 512


class Bundle:
    """Networks on disk that answer together; reading one, and importing Keras, waits until it has to predict.

    Parameters
    ----------
    folder
        With ``reference.json`` and the files of weights that it names.
    quick
        Ask a network that has a LiteRT file by that, not by Keras.

    Raises
    ------
    WeightsError
        If a file is missing or is not the one that was exported.
    """

    def __init__(self, folder: Path, *, quick: bool = True) -> None:
        self.folder = folder
        self._is_quick = quick and importlib.util.find_spec("ai_edge_litert") is not None
        self.card = BundleCard.read(folder)
        self._networks: dict[str, keras.Model] = {}
        self._quick: dict[str, LiteRTNetwork] = {}
        for network in self.card.networks.values():
            _check(folder / network.file, network.sha256)
            if network.litert:
                _check(folder / network.litert.file, network.litert.sha256)

    @property
    def targets(self) -> tuple[Target, ...]:
        """What can be asked for; the first one is answered if none is named."""
        return tuple(self.card.targets)

    @property
    def input(self) -> InputCard:
        """The pictures that it takes."""
        return self.card.input

    @property
    def voters(self) -> tuple[str, ...]:
        """Names of the networks that have a vote for at least one target."""
        votes = (card.vote for card in self.card.targets.values())
        return tuple(dict.fromkeys(name for vote in votes for name in vote.weights))

    def classes(self, target: Target | None = None) -> tuple[str, ...]:
        """Names of the columns of what `predict` returns; for the first target if none is named."""
        return self._card(self.targets[0] if target is None else target).classes

    def network(self, name: str) -> "keras.Model":
        """The network `name`, built and filled when it is first asked for."""
        if name not in self._networks:
            card = self.card.networks[name]
            network = build_network(card.backbone, card.heads, seed=0, picture=self.input.tensor)
            read_weights(network, self.folder / card.file)
            self._networks[name] = network
        return self._networks[name]

    def predict_network(
        self,
        name: str,
        images: Images,
        on_pictures: Callable[[int], None] = lambda _count: None,
        tta: TestTimeAugmentation | None = None,
    ) -> TargetProbabilities:
        """Probabilities of pictures from each head of one network, averaged over the views that `tta` makes.

        Parameters
        ----------
        images : (N, side, side[, 3]) uint8
            The pictures, as `input` says.
        tta
            Test-time augmentation; that of the models which the network belongs to, if None.
        on_pictures
            Called with the number of pictures that have been predicted since the last call.
        """
        heads = self.card.networks[name].heads
        tta = self.card.tta_of(name) if tta is None else tta
        probabilities: TargetProbabilities = {
            target: np.zeros((len(images), classes), np.float32) for target, classes in heads.items()
        }
        for start in range(0, len(images), _CHUNK):
            chunk = np.asarray(images[start : start + _CHUNK])
            for target, predicted in self._predict_chunk(name, chunk, tta).items():
                probabilities[target][start : start + len(chunk)] = predicted
            on_pictures(len(chunk))
        return probabilities

    def _predict_chunk(self, name: str, images: NDArray[np.uint8], tta: TestTimeAugmentation) -> TargetProbabilities:
        """Predict by the LiteRT file of a network, which needs neither Keras nor TensorFlow, or by Keras."""
        card = self.card.networks[name]
        if card.litert is None or not self._is_quick:
            return predict_targets(self.network(name), images, card.heads, tta)
        if name not in self._quick:
            from ferkit.models.litert import LiteRTNetwork

            self._quick[name] = LiteRTNetwork(self.folder / card.litert.file)
        seen = [self._quick[name](view) for view in tta.augment(images)]
        return {target: np.mean([predicted[target] for predicted in seen], axis=0) for target in card.heads}

    def vote(
        self,
        predicted: Mapping[str, TargetProbabilities],
        target: Target,
        *,
        model: ModelName = "default",
        calibrated: bool = True,
    ) -> NDArray[np.float32]:
        """Probabilities (N, classes) float32 of a model, from those of its networks by their names.

        With its temperature, or without if not `calibrated`.
        """
        vote = self.vote_for(target, model)
        mixed = mixture(vote, predicted, target)
        return apply_temperature(mixed, vote.temperature) if calibrated else mixed

    def predict(
        self,
        images: Images,
        target: Target | None = None,
        *,
        model: ModelName = "default",
        on_pictures: Callable[[int], None] = lambda _count: None,
    ) -> NDArray[np.float32]:
        """Calibrated probabilities of pictures.

        Parameters
        ----------
        images : (N, side, side[, 3]) uint8
            Faces as `input` says, cut as those that the networks were trained on; for the shipped ones (N, 48, 48)
            grey, cut as FER-2013's are: the face fills the picture.
        target
            One of `targets`, such as ``fer`` or ``ferplus``; the first if not given.
        model
            ``default``: the network that is to answer, which is the vote where there is no such network; ``vote``: the
            whole ensemble, which is more accurate and many times slower; ``tiny``: the smallest network.
        on_pictures
            Called with the number of pictures that one network has answered since the last call.

        Returns
        -------
        (N, classes) float32
            Rows sum to one.

        Raises
        ------
        DataError
            If the pictures are of another shape or type, or nothing here answers for the target.

        Examples
        --------
        >>> faces = np.random.default_rng(0).integers(0, 256, (2, 48, 48), dtype=np.uint8)
        >>> load_bundle().predict(faces, "ferplus", model="tiny").shape
        (2, 8)
        """
        target = self.targets[0] if target is None else target
        return self.predict_targets(images, [target], model=model, on_pictures=on_pictures)[target]

    def predict_targets(
        self,
        images: Images,
        targets: Iterable[Target],
        *,
        model: ModelName = "default",
        on_pictures: Callable[[int], None] = lambda _count: None,
    ) -> TargetProbabilities:
        """What `predict` says for each of several targets; a network with a head for each is asked once."""
        self.input.require(images)
        votes = {target: self.vote_for(target, model) for target in targets}
        names = dict.fromkeys(name for vote in votes.values() for name in vote.weights)
        predicted = {name: self.predict_network(name, images, on_pictures) for name in names}
        return {target: self.vote(predicted, target, model=model) for target in votes}

    def predict_split(
        self, faces: FaceDataset, target: Target, split: Split, *, model: ModelName = "default"
    ) -> Predictions:
        """What `predict` says about the pictures of `split` that have a label for `target` under its protocol."""
        self.vote_for(target, model)
        pictures, _ = labelled(faces.of_split(split), self.card.targets[target].labelling)
        probabilities = self.predict(self.input.read(pictures.images), target, model=model)
        return Predictions(target, split, pictures.row, probabilities, self.classes(target))

    def vote_for(self, target: Target, model: ModelName) -> Vote:
        """Weights and temperature of a model.

        Raises
        ------
        DataError
            If nothing here answers for the target, or there is no such model.
        """
        models = self._card(target).models
        if (name := self.card.resolved(model)) not in models:
            raise DataError(f"target {target!r}: this bundle has no model {model!r}; it has {', '.join(models)}.")
        return models[name]

    def _card(self, target: Target) -> TargetCard:
        if target not in self.card.targets:
            raise DataError(f"target {target!r}: this bundle answers for {', '.join(self.targets)}.")
        return self.card.targets[target]


def load_bundle(folder: Path | None = None) -> Bundle:
    """The bundle in `folder`, the models that ferkit ships if empty.

    Raises
    ------
    WeightsError
        If there is none, or a file is not the one that was exported.

    Examples
    --------
    >>> bundle = load_bundle()
    >>> bundle.targets
    ('fer', 'ferplus')
    >>> bundle.classes("ferplus")[:2]
    ('neutral', 'happiness')
    """
    return Bundle(folder or SHIPPED)


def mixture(vote: Vote, predicted: Mapping[str, TargetProbabilities], target: Target) -> NDArray[np.float32]:
    """The weighted mean (N, classes) of the networks' probabilities, before the temperature."""
    mixed = sum(weight * predicted[name][target].astype(np.float64) for name, weight in vote.weights.items())
    return np.asarray(mixed, dtype=np.float32)


def _check(file: Path, sha256: str) -> None:
    try:
        found = file_sha256(file)
    except OSError as error:
        raise WeightsError(f"{file}: {error.strerror}; reference.json names it. Install ferkit again.") from error
    if found != sha256:
        raise WeightsError(
            f"{file}: sha256 {found}, expected {sha256}: the file was changed or cut short. Install ferkit again."
        )
