"""Judging a bundle on the official splits, from its weights alone."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.bundles.bundle import Bundle
from ferkit.bundles.judging import network_predictions, scores_table
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Split, Target
from ferkit.errors import DataError
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.models.face_model import TargetProbabilities
from ferkit.models.predictions import Predictions
from ferkit.release.answers import KeptAnswers

__all__ = ["BundleEvaluation", "evaluate_bundle"]

# Fixed, so that a published interval can be made again.
_SETTINGS, _SEED = EvaluationSettings(), 0
_Predicted = dict[Split, NDArray[np.float32]]
_SPLITS: tuple[Split, ...] = ("PublicTest", "PrivateTest")


@dataclass(frozen=True, eq=False)
class BundleEvaluation:
    """What came of judging a bundle.

    Attributes
    ----------
    scores
        As `Evaluation.to_table`, with a column ``role``: ``member``, or the name of a model. Members have no
        temperature; models are judged with theirs, and their calibration without it is in further columns, see
        `ferkit.evaluation.evaluate.with_raw_calibration`.
    answers
        Of each model, to every picture that was asked.
    """

    scores: pd.DataFrame
    answers: KeptAnswers


def evaluate_bundle(
    bundle: Bundle,
    faces: FaceDataset,
    *,
    limit: int | None = None,
    public: Mapping[str, TargetProbabilities] | None = None,
    on_pictures: Callable[[str, int, int], None] = lambda _network, _done, _all: None,
) -> BundleEvaluation:
    """Ask every network about PublicTest and PrivateTest, once, and judge the members of the vote and each model.

    Parameters
    ----------
    faces
        FER-2013, with the votes of FER+ where a target needs them. Of a sample, only duplicates within it are known.
    limit
        At most this many pictures of each split, evenly spaced.
    public
        Predictions of the whole of PublicTest by the networks, if they are there already.
    on_pictures
        Called with the name of a network, how many pictures it has predicted, and how many it will.

    Raises
    ------
    DataError
        If a split is empty, or there are no FER+ votes where they are needed.
    """
    pictures_of = {split: _some(faces.of_split(split), limit) for split in _SPLITS}
    if empty := [split for split, pictures in pictures_of.items() if not len(pictures)]:
        raise DataError(f"no picture of {' or '.join(empty)} in this data: a bundle is judged on both.")
    known: dict[Split, Mapping[str, TargetProbabilities]] = {} if public is None else {"PublicTest": public}
    predicted = network_predictions(bundle, pictures_of, bundle.card.networks, known=known, on_pictures=on_pictures)
    tables, classes = [], {}
    for target, model, role, probabilities, raw in _models(bundle, predicted):
        protocol = bundle.card.targets[target].labelling
        answered, before = (
            [Predictions.of_labelled(pictures, split, protocol, each[split]) for split, pictures in pictures_of.items()]
            for each in (probabilities, raw)
        )
        table = scores_table(model, role, answered, before, faces, protocol, _SETTINGS, _SEED)
        # FER+ is what the second target is for.
        tables.append(table[~table["subset"].str.contains("FER+", regex=False)])
        if role != "member":
            classes[f"{target} {role}"] = np.concatenate([probabilities[split].argmax(axis=1) for split in _SPLITS])
    hashes = np.concatenate([pictures.picture_hashes() for pictures in pictures_of.values()])
    return BundleEvaluation(pd.concat(tables, ignore_index=True), KeptAnswers.of(hashes, classes))


def _some(faces: FaceDataset, limit: int | None) -> FaceDataset:
    if limit is None or limit >= len(faces):
        return faces
    return faces.take(np.linspace(0, len(faces) - 1, limit).round().astype(np.int64))


def _models(
    bundle: Bundle, predicted: Mapping[Split, Mapping[str, TargetProbabilities]]
) -> Iterator[tuple[Target, str, str, _Predicted, _Predicted]]:
    """Target, name and role of everything that is judged, its probabilities by split, and those before temperature."""
    for target, card in bundle.card.targets.items():
        for name in card.vote.weights:
            label = bundle.card.networks[name].label
            of_member = {split: answers[name][target] for split, answers in predicted.items()}
            yield target, label, "member", of_member, of_member
        for model in card.models:
            answered, raw = (
                {
                    split: bundle.vote(answers, target, model=model, calibrated=calibrated)
                    for split, answers in predicted.items()
                }
                for calibrated in (True, False)
            )
            yield target, model, model, answered, raw
