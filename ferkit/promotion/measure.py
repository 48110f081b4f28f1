"""Measures a bundle on the pictures that decide about a promotion: predictions, scores and latency."""

import time
from collections.abc import Callable, Mapping

import numpy as np

from ferkit.bundles.bundle import Bundle
from ferkit.bundles.judging import network_predictions
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.stored_pictures import Images
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.evaluation.metrics import EvaluationSettings, score
from ferkit.models.selection import NO_DUPLICATES, SelectionSettings, selection_pictures
from ferkit.promotion.gate import Measurement

__all__ = ["measure_bundle", "protocols_of"]

# Faces that are timed one by one, after one that is not: the first call compiles.
_TIMED = 15


def protocols_of(bundle: Bundle) -> dict[Target, TargetSettings]:
    """The targets of a bundle, each with its classes and the protocol by which its labels are made."""
    return {name: card.labelling for name, card in bundle.card.targets.items()}


def measure_bundle(
    name: str,
    bundle: Bundle,
    faces: FaceDataset,
    protocols: Mapping[Target, TargetSettings],
    settings: EvaluationSettings,
    seed: int,
    *,
    selection: SelectionSettings = NO_DUPLICATES,
    on_pictures: Callable[[str, int, int], None] = lambda _name, _done, _all: None,
) -> Measurement:
    """Predict PublicTest, never PrivateTest, with a bundle, score the predictions and time it.

    Parameters
    ----------
    name
        What people call the model.
    faces
        The data: PublicTest is taken from it, the other splits say what occurs in them, too.
    protocols
        How labels are made: the challenger's, for the champion too. Other targets, and those of other classes, are left
        out.
    seed
        Seed of the bootstrap.
    selection
        Which pictures of PublicTest decide.
    on_pictures
        Called with `name`, how many pictures are predicted (each counted once a network), and how many there will be.

    Raises
    ------
    DataError
        If PublicTest has no picture with a label, or each of its pictures occurs in another split.
    """
    public = selection_pictures(faces, selection)
    classes = {target: protocols[target].class_names(public.classes) for target in protocols}
    targets = [each for each in bundle.targets if each in protocols and set(bundle.classes(each)) == set(classes[each])]
    parts = {target: labelled(public, protocols[target]) for target in targets}
    for target, (pictures, _) in parts.items():
        if not len(pictures):
            raise DataError(f"{name}: PublicTest has no picture with a label for {target}; promotion is decided there.")
    voters = list(dict.fromkeys(each for target in targets for each in bundle.vote_for(target, "default").weights))

    def report(network: str, done: int, each: int) -> None:
        on_pictures(name, voters.index(network) * each + done, len(voters) * each)

    asked = network_predictions(bundle, {"PublicTest": public}, voters, on_pictures=report)["PublicTest"]
    labels, predicted_classes, scores = {}, {}, {}
    for target, (pictures, distribution) in parts.items():
        order = [bundle.classes(target).index(each) for each in classes[target]]
        probabilities = bundle.vote(asked, target)[np.isin(public.row, pictures.row)][:, order]
        scores[target] = score(probabilities, distribution, settings, seed)
        labels[target] = distribution.argmax(axis=1).astype(np.int8)
        predicted_classes[target] = probabilities.argmax(axis=1).astype(np.int8)
    milliseconds = max(_latency(bundle, target, public.images) for target in targets or bundle.targets)
    answered = {each: classes[each] if each in targets else bundle.classes(each) for each in bundle.targets}
    return Measurement(name, labels, predicted_classes, scores, milliseconds, selection.subset, answered)


def _latency(bundle: Bundle, target: Target, images: Images) -> float:
    """Median milliseconds for one face; of one target."""
    taken = []
    for at in range(_TIMED + 1):
        one = np.asarray(bundle.input.read(images[[at % len(images)]]))
        begin = time.perf_counter()
        bundle.predict(one, target)
        taken.append(1000 * (time.perf_counter() - begin))
    return float(np.median(taken[1:]))
