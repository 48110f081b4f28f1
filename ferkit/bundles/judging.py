"""Asking the networks of a bundle about labelled pictures, and judging what its models answer.

The table of the shipped models (`ferkit.release.evaluate_bundle`), the bundles of a run (`ferkit.release.run_bundle`),
the gate (`ferkit.promotion.measure`) and ``ferkit evaluate`` all come here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd

from ferkit.bundles.bundle import Bundle
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Split
from ferkit.data.targets import TargetSettings
from ferkit.evaluation.evaluate import evaluate, with_raw_calibration
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.models.face_model import TargetProbabilities
from ferkit.models.network_progress import NetworkProgress
from ferkit.models.predictions import Predictions

__all__ = ["network_predictions", "scores_table"]


def network_predictions(
    bundle: Bundle,
    pictures_of: Mapping[Split, FaceDataset],
    networks: Iterable[str],
    *,
    known: Mapping[Split, Mapping[str, TargetProbabilities]] | None = None,
    on_pictures: Callable[[str, int, int], None] = lambda _network, _done, _all: None,
) -> dict[Split, dict[str, TargetProbabilities]]:
    """Ask each network once about the pictures of every split, for all targets that it has heads for.

    Parameters
    ----------
    pictures_of
        The pictures by split, of any size.
    networks
        Names of the networks that are asked.
    known
        Predictions that are there already, by split and name of the network; these pictures are not asked again.
    on_pictures
        Called with the name of a network, how many pictures it has predicted, and how many it will.

    Returns
    -------
    dict
        By split, then by the name of a network: what `Bundle.vote` makes answers of.
    """
    predicted: dict[Split, dict[str, TargetProbabilities]] = {
        split: dict((known or {}).get(split, {})) for split in pictures_of
    }
    for name in networks:
        left = {split: pictures for split, pictures in pictures_of.items() if name not in predicted[split]}
        report = NetworkProgress(name, sum(map(len, left.values())), on_pictures)
        for split, pictures in left.items():
            predicted[split][name] = bundle.predict_network(name, bundle.input.read(pictures.images), report)
    return predicted


def scores_table(
    model: str,
    role: str,
    answered: Sequence[Predictions],
    raw: Sequence[Predictions] | pd.DataFrame,
    faces: FaceDataset,
    target: TargetSettings,
    settings: EvaluationSettings,
    seed: int,
) -> pd.DataFrame:
    """Scores of what a model answers, with the calibration that it has before the temperature.

    Parameters
    ----------
    model, role
        Its name, and what it is in a bundle.
    answered
        What it answers, one a split.
    raw
        The same before the temperature, or its scores as `Evaluation.to_table` has them.
    faces
        The dataset as it was read, see `ferkit.evaluation.evaluate.evaluate`.
    target, settings, seed
        As of `evaluate`.

    Returns
    -------
    DataFrame
        As `Evaluation.to_table`, with the columns of `with_raw_calibration` and ``role``.
    """
    table = evaluate(model, answered, faces, target, settings, seed).to_table()
    if not isinstance(raw, pd.DataFrame):
        raw = evaluate(model, raw, faces, target, settings, seed).to_table()
    return with_raw_calibration(table, raw).assign(role=role)
