"""Judging a bundle on the official splits, from its weights alone."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.bundles.bundle import Bundle, NetworkProgress
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Split, Target
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.evaluation.evaluate import evaluate, with_raw_calibration
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.models.face_model import TargetProbabilities
from ferkit.models.predictions import Predictions
from ferkit.release.answers import KeptAnswers

__all__ = ["BundleEvaluation", "evaluate_bundle"]

# Fixed, so that a published interval can be made again.
_SETTINGS, _SEED = EvaluationSettings(), 0
_Said = dict[Split, NDArray[np.float32]]
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
        What the networks said about the whole of PublicTest, if they were asked already.
    on_pictures
        Called with the network that is being asked, how many pictures it has answered, and how many it will.

    Raises
    ------
    DataError
        If a split is empty, or there are no FER+ votes where they are needed.
    """
    asked = {split: _some(faces.of_split(split), limit) for split in _SPLITS}
    if empty := [split for split, pictures in asked.items() if not len(pictures)]:
        raise DataError(f"no picture of {' or '.join(empty)} in this data: a bundle is judged on both.")
    said: dict[Split, dict[str, TargetProbabilities]] = {split: {} for split in _SPLITS}
    for name in bundle.card.networks:
        if public is not None:
            said["PublicTest"][name] = public[name]
        left = {split: pictures for split, pictures in asked.items() if name not in said[split]}
        report = NetworkProgress(name, sum(map(len, left.values())), on_pictures)
        for split, pictures in left.items():
            said[split][name] = bundle.predict_network(name, pictures.images, report)
    tables, classes = [], {}
    for target, model, role, probabilities, raw in _models(bundle, said):
        protocol = bundle.card.targets[target].settings
        answered, before = (_judged(model, each, asked, faces, protocol) for each in (probabilities, raw))
        table = with_raw_calibration(answered, before)
        # FER+ is what the second target is for.
        tables.append(table[~table["subset"].str.contains("FER+", regex=False)].assign(role=role))
        if role != "member":
            classes[f"{target} {role}"] = np.concatenate([probabilities[split].argmax(axis=1) for split in _SPLITS])
    hashes = np.concatenate([pictures.picture_hashes() for pictures in asked.values()])
    return BundleEvaluation(pd.concat(tables, ignore_index=True), KeptAnswers.of(hashes, classes))


def _judged(
    model: str,
    probabilities: Mapping[Split, NDArray[np.float32]],
    asked: Mapping[Split, FaceDataset],
    faces: FaceDataset,
    target: TargetSettings,
) -> pd.DataFrame:
    """The scores of what a model said about every picture that was asked."""
    predictions = []
    for split, pictures in asked.items():
        kept, _ = labelled(pictures, target)
        chosen = np.isin(pictures.row, kept.row)
        classes = target.class_names(faces.classes)
        predictions.append(Predictions(target.name, split, kept.row, probabilities[split][chosen], classes))
    return evaluate(model, predictions, faces, target, _SETTINGS, _SEED).to_table()


def _some(faces: FaceDataset, limit: int | None) -> FaceDataset:
    if limit is None or limit >= len(faces):
        return faces
    return faces.take(np.linspace(0, len(faces) - 1, limit).round().astype(np.int64))


def _models(
    bundle: Bundle, said: Mapping[Split, Mapping[str, TargetProbabilities]]
) -> Iterator[tuple[Target, str, str, _Said, _Said]]:
    """Target, name and role of everything that is judged, what it answers by split, and that without temperature."""
    for target, card in bundle.card.targets.items():
        for name in card.vote.weights:
            label = bundle.card.networks[name].label
            of_member = {split: answers[name][target] for split, answers in said.items()}
            yield target, label, "member", of_member, of_member
        for model in card.models:
            answered, raw = (
                {
                    split: bundle.vote(answers, target, model=model, calibrated=calibrated)
                    for split, answers in said.items()
                }
                for calibrated in (True, False)
            )
            yield target, model, model, answered, raw
