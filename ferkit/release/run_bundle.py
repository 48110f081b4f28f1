"""What a run made, as bundles: its ensemble with its student, or one of its networks alone.

A bundle is calibrated and the evaluation of a run is not: the temperature is found here, on PublicTest, from what the
networks said already, and the numbers that go with a bundle are those of its calibrated answers.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import TargetCard, Vote
from ferkit.bundles.judging import scores_table
from ferkit.bundles.parity import require_parity
from ferkit.bundles.writing import BundledNetwork, ensemble_vote, write_bundle
from ferkit.config.run_config import RunConfig, Training
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings, labelled
from ferkit.evaluation.evaluate import Evaluation, metrics_of, with_raw_calibration
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.models.selection import selection_predictions
from ferkit.models.temperature import apply_temperature, fit_temperature
from ferkit.monitoring.profile import write_profile
from ferkit.release.run_card import run_card
from ferkit.release.scores_table import SCORES

__all__ = ["JudgedBundle", "TrainedRun", "bundle_ensemble", "bundle_single"]

# Pictures on which the stored weights are compared with the run.
_COMPARED = 128


class _Hashed(Protocol):
    def content_hash(self) -> str: ...


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """What a run made and what it found out.

    Attributes
    ----------
    config
        Of the run.
    models
        One for each of ``config.trained()``, in that order.
    ensembles
        One a target.
    evaluations
        Of every model, single ones and ensembles.
    faces
        The pictures that the networks were asked about: the data after cleaning.
    ingested
        The data as it was read, which knows every duplicate.
    """

    config: RunConfig
    models: Sequence[FaceModel]
    ensembles: Sequence[Ensemble]
    evaluations: Sequence[Evaluation]
    faces: FaceDataset
    ingested: FaceDataset

    def content_hash(self) -> str:
        """sha256 in hexadecimal over everything that a bundle answers with; equal for runs of other names."""
        settings = self.config.model_dump_json(
            exclude={
                **dict.fromkeys(("name", "experiment", "data", "registry", "resources"), True),
                "backbones": {"__all__": {"resources"}},
            }
        )
        digest = hashlib.sha256(settings.encode())
        for ensemble in self.ensembles:
            digest.update(ensemble.to_json().encode())
        parts: tuple[_Hashed, ...] = (*self.models, *self.evaluations, self.faces, self.ingested)
        for part in parts:
            digest.update(part.content_hash().encode())
        return digest.hexdigest()

    def classes(self, target: TargetSettings) -> tuple[str, ...]:
        """Names of what its networks tell apart for `target`."""
        return target.class_names(self.faces.classes)

    def training(self, target: Target, label: str) -> Training:
        """The training of the network that a run calls `label`, with a head for `target`."""
        return next(each for each in self.config.trained() if each.label == label and target in each.names)

    def evaluation(self, target: Target, model: str) -> Evaluation:
        """Of one model for one target."""
        return next(each for each in self.evaluations if (each.target, each.model) == (target, model))

    def networks(self, labels: Sequence[str]) -> list[BundledNetwork]:
        """The networks of the trainings with these labels."""
        return [
            BundledNetwork(each.name, each.label, model, each.entry.backbone, each.names)
            for each, model in zip(self.config.trained(), self.models, strict=True)
            if each.label in labels
        ]


@dataclass(frozen=True, eq=False)
class JudgedBundle:
    """A bundle, and how good it is.

    Attributes
    ----------
    bundle
        The bundle, as it is on disk.
    scores
        As `Evaluation.to_table`, with a column ``role``: ``vote``, ``tiny`` or ``single``, which are judged as
        the bundle answers, and ``member``, judged as it is; and with the calibration before the temperature, see
        `ferkit.evaluation.evaluate.with_raw_calibration`.
    """

    bundle: Bundle
    scores: pd.DataFrame

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Every number of what the bundle answers, by names such as ``fer/PrivateTest/accuracy``."""
        found: dict[str, float] = {}
        for line in self.scores[self.scores["role"] != "member"].to_dict("records"):
            who = f"{line['target']}/tiny" if line["role"] == "tiny" else line["target"]
            found |= {f"{who}/{name}": value for name, value in metrics_of(line).items()}
        return found


def bundle_ensemble(run: TrainedRun, folder: Path, origin: Mapping[str, str]) -> JudgedBundle:
    """Write the ensemble of a run, and the best of the students that it taught, into `folder`, which is made.

    Parameters
    ----------
    origin
        What the model card says about where it comes from.

    Raises
    ------
    ParityError
        If the stored weights do not say what the run's networks said.
    """
    targets: dict[Target, TargetCard] = {}
    tables = []
    labels: set[str] = set()
    for ensemble, target in zip(run.ensembles, run.config.targets, strict=True):
        fitted = _Fitted(run, target, "ensemble")
        names = tuple(run.training(target.name, label).name for label in ensemble.members)
        vote = ensemble_vote(replace(ensemble, members=names), fitted.temperature)
        student = _best_student(run, target)
        taught = student and Vote(
            weights={run.training(target.name, student.model).name: 1.0}, temperature=student.temperature
        )
        targets[target.name] = TargetCard(settings=target, classes=run.classes(target), vote=vote, tiny=taught)
        voters = [label for label, name in zip(ensemble.members, names, strict=True) if name in vote.weights]
        labels |= {*voters, *([student.model] if student else [])}
        members = [run.evaluation(target.name, label).to_table() for label in voters]
        tables += [with_raw_calibration(each, each).assign(role="member") for each in members]
        tables += [fitted.table("vote", "vote"), *([student.table("tiny", "tiny")] if student else [])]
    return _write(run, folder, sorted(labels), targets, pd.concat(tables, ignore_index=True), origin)


def bundle_single(run: TrainedRun, label: str, folder: Path, origin: Mapping[str, str]) -> JudgedBundle:
    """Write the network that a run calls `label`, for all targets that it was trained for, into `folder`.

    Parameters and errors are those of `bundle_ensemble`.
    """
    targets: dict[Target, TargetCard] = {}
    tables = []
    for target in run.config.targets:
        if any(label == each.label and target.name in each.names for each in run.config.trained()):
            fitted = _Fitted(run, target, label)
            vote = Vote(weights={run.training(target.name, label).name: 1.0}, temperature=fitted.temperature)
            targets[target.name] = TargetCard(settings=target, classes=run.classes(target), vote=vote)
            tables.append(fitted.table(label, "single"))
    return _write(run, folder, [label], targets, pd.concat(tables, ignore_index=True), origin)


class _Fitted:
    """A model of a run with the temperature, and the accuracy, that the pictures of selection give it."""

    def __init__(self, run: TrainedRun, target: TargetSettings, model: str) -> None:
        self.model = model
        self._run, self._target = run, target
        self.judged = run.evaluation(target.name, model)
        predicted = self.judged.predictions["PublicTest"]
        chosen, labels = selection_predictions(predicted, run.faces, target, run.config.selection)
        self.temperature = fit_temperature(chosen, labels)
        self.accuracy = float((chosen.label == labels.argmax(axis=1)).mean())

    def table(self, name: str, role: str) -> pd.DataFrame:
        """The scores of its calibrated answers."""
        settings, seed = self._run.config.evaluation, self._run.config.seed
        calibrated, raw = list(self._calibrated()), self.judged.to_table()
        return scores_table(name, role, calibrated, raw, self._run.ingested, self._target, settings, seed)

    def _calibrated(self) -> Iterator[Predictions]:
        for each in self.judged.predictions.values():
            yield replace(each, probabilities=apply_temperature(each.probabilities, self.temperature))


def _best_student(run: TrainedRun, target: TargetSettings) -> _Fitted | None:
    """The student that is right most often on PublicTest, None if nobody was taught."""
    fitted = [_Fitted(run, target, entry.label) for entry in run.config.students(target.name)]
    return max(fitted, key=lambda each: each.accuracy, default=None)


def _write(
    run: TrainedRun,
    folder: Path,
    labels: Sequence[str],
    targets: Mapping[Target, TargetCard],
    scores: pd.DataFrame,
    origin: Mapping[str, str],
) -> JudgedBundle:
    networks = run.networks(labels)
    tta = run.config.prediction
    bundle = write_bundle(folder, run.config.name, networks, targets, {"vote": tta, "tiny": tta})
    (folder / "config.yaml").write_text(run.config.to_yaml())
    scores.to_csv(folder / SCORES, index=False)
    backbones = [each.backbone for each in networks if each.name in bundle.card.networks]
    (folder / "MODEL_CARD.md").write_text(run_card(bundle.card, run.config, backbones, scores, origin))
    for target in targets.values():
        _verify(run, bundle, target)
    write_profile(folder, bundle, run.faces)
    return JudgedBundle(bundle, scores)


def _verify(run: TrainedRun, bundle: Bundle, target: TargetCard) -> None:
    """Raise a `ParityError` unless the stored networks say about PublicTest what those of the run said."""
    name = target.settings.name
    pictures, _ = labelled(run.faces.of_split("PublicTest"), target.settings)
    for model, vote in target.models.items():
        labels = {bundle.card.networks[network].label: weight for network, weight in vote.weights.items()}
        predicted = sum(
            weight * run.evaluation(name, label).predictions["PublicTest"].probabilities[:_COMPARED].astype(np.float64)
            for label, weight in labels.items()
        )
        expected = apply_temperature(np.asarray(predicted, dtype=np.float32), vote.temperature)
        found = bundle.predict(pictures.images[:_COMPARED], name, model=model)
        require_parity(f"{bundle.folder.name}, {model}", {name: expected}, {name: found}, "float16")
