"""The networks of a run without ZenML: which are finished, training those that are not, asking them."""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.backbones.weights import content_of
from ferkit.config.run_config import RunConfig, Training
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Split, Target
from ferkit.data.targets import TargetSettings, labelled
from ferkit.data.training_set import TrainingSet
from ferkit.environment import Environment
from ferkit.errors import TrainingError
from ferkit.file_hashes import file_sha256
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel, TargetProbabilities, predict_targets
from ferkit.models.predictions import Predictions
from ferkit.preparation import balancing
from ferkit.preparation.cleaning import drop_non_faces
from ferkit.preparation.quarantine import without_quarantined
from ferkit.sources import fingerprint, load
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.member_folder import MemberFolder
from ferkit.standalone.records import ALL_PICTURES, MemberRecord
from ferkit.training.distillation import distil
from ferkit.training.epochs import EpochRecord
from ferkit.training.execution import precision_of
from ferkit.training.member import train_member
from ferkit.training.teacher import vote
from ferkit.training.teacher_file import read_teacher_file

__all__ = ["OutOfTimeError", "RunData", "RunMembers", "read_data"]

_LOG = logging.getLogger(__name__)


class OutOfTimeError(TrainingError):
    """The time limit has passed; what is done is kept."""


@dataclass(frozen=True, eq=False)
class RunData:
    """The data of a run, as far as no seed is needed for it.

    Attributes
    ----------
    fingerprint
        Hash of the data's files.
    ingested
        The faces as they were read.
    faces
        What quarantine and cleaning left.
    """

    fingerprint: str
    ingested: FaceDataset
    faces: FaceDataset


def read_data(config: RunConfig) -> RunData:
    """Read and clean the data that `config` names.

    Raises
    ------
    DataError
        As `ferkit.sources.load` and `ferkit.preparation.cleaning.drop_non_faces` do.
    """
    ingested = load(config.data)
    cleaned = drop_non_faces(without_quarantined(ingested, config.validation), config.cleaning)
    return RunData(fingerprint(config.data), ingested, cleaned.faces)


@dataclass
class RunMembers:
    """The networks of one run.

    Attributes
    ----------
    config, data, folder, environment
        What the run is made from, and where its files are.
    deadline : seconds of `time.monotonic`
        A training stops after the epoch that passes it; never if None.
    ensembles
        Of each target; students need that of theirs.
    """

    config: RunConfig
    data: RunData
    folder: RunFolder
    environment: Environment
    deadline: float | None = None
    ensembles: dict[Target, Ensemble] = field(default_factory=dict)
    _balanced: dict[Target, TrainingSet] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _predicted: dict[str, TargetProbabilities] = field(default_factory=dict)

    def files(self, training: Training) -> MemberFolder:
        """Where the files of a training are."""
        return self.folder.member(training.name)

    def finished(self, training: Training) -> MemberRecord | None:
        """The record of a network that was made from this very run's settings, data and weights, None if there is none.

        Raises a `WeightsError` if the file of weights that it starts with cannot be read.
        """
        return self.files(training).finished(self._key(training))

    def missing(self, trainings: Iterable[Training]) -> bool:
        """Whether a network is not trained yet; says which."""
        names = [each.name for each in trainings if self.finished(each) is None]
        if names:
            _LOG.info("still to be trained before anything is combined and judged: %s", ", ".join(names))
        return bool(names)

    def train(self, training: Training) -> None:
        """Train a network and write its files, unless they are there.

        Raises
        ------
        OutOfTimeError
            If the deadline has passed and the training has come at least one epoch further.
        FerkitError
            As `ferkit.training.member.train_member` does.
        """
        files, record = self.files(training), self.finished(training)
        if record is None:
            _LOG.info("%s ...", training.name)
            self._fine_tune(training)
        elif record.prediction != self.config.prediction:
            _LOG.info("%s is trained already, and is asked anew: other views of the pictures", training.name)
            files.discard()
            self._ask(training, "PublicTest")
            files.write_record(record.model_copy(update={"prediction": self.config.prediction}))
        else:
            _LOG.info("%s is trained already", training.name)

    def voters(self, target: TargetSettings) -> dict[str, Training]:
        """The trainings whose networks vote on a target, by label."""
        trainings = (each for each in self.config.trained() if target in each.targets and not each.entry.is_student)
        return {each.label: each for each in trainings}

    def predictions(self, training: Training, target: TargetSettings, split: Split) -> Predictions:
        """What a finished network says about the pictures of `split`; asked once."""
        files = self.files(training)
        if not files.has_predictions(target.name, split):
            self._ask(training, split)
        return files.read_predictions(target.name, split)

    def _ask(self, training: Training, split: Split) -> None:
        """Write what every head of a finished network says about the pictures of `split`."""
        files, pictures = self.files(training), self.data.faces.of_split(split)
        model = FaceModel(training.label, training.names[0], files.network)
        said = predict_targets(model.network, pictures.images, training.names, self.config.prediction)
        for target in training.targets:
            known, _ = labelled(pictures, target)
            kept = np.isin(pictures.row, known.row)
            classes = target.class_names(pictures.classes)
            files.write_predictions(Predictions(target.name, split, known.row, said[target.name][kept], classes))

    def _fine_tune(self, training: Training) -> None:
        import keras

        files, workspace = self.files(training), self.folder.checkpoints
        files.discard()
        settings = self.config.training_of(training.entry)
        begin = time.monotonic()
        member = train_member(
            self.data.faces,
            {target.name: self.training_set_of(training, target) for target in training.targets},
            training.targets,
            training.entry.backbone,
            settings,
            self.config.seed_of(training),
            workspace=workspace,
            selection=self.config.selection,
            on_epoch=self._stopper(workspace / training.name),
        )
        files.write_history(member.history)
        member.models[training.names[0]].file.replace(files.network)
        self._ask(training, "PublicTest")
        precision = precision_of(settings.execution, training.entry.backbone.card)
        record = MemberRecord(
            label=training.label,
            targets=training.names,
            key=self._key(training),
            backbone=training.entry.backbone,
            training=settings,
            seed=self.config.seed_of(training),
            training_sets={target.name: self._training_set(target).content_hash() for target in training.targets},
            distillation=self.config.distillation if training.entry.teacher else None,
            numbers=member.numbers,
            environment=self.environment,
            precision=precision,
            prediction=self.config.prediction,
            selection=self.config.selection,
            seconds=time.monotonic() - begin,
        )
        files.write_record(record)
        # Only its own: another process may be about to keep what it has finished.
        shutil.rmtree(workspace / training.name, ignore_errors=True)
        # What is left of one network on the device would be missing to the next.
        keras.utils.clear_session()

    def _stopper(self, checkpoint: Path) -> Callable[[EpochRecord], None]:
        """Called after each epoch; stops the run when its time is up, but not before it has come an epoch further."""
        found = _saved(checkpoint)

        def stop(record: EpochRecord) -> None:
            passed = self.deadline is not None and time.monotonic() > self.deadline
            if passed and _saved(checkpoint) != found:
                raise OutOfTimeError(
                    f"the time limit has passed, {checkpoint.name} stands after epoch {record['epoch']}"
                )

        return stop

    def _training_set(self, target: TargetSettings) -> TrainingSet:
        """The balanced training split, made once."""
        if target.name not in self._balanced:
            made = balancing.oversample(self.data.faces, target, self.config.balancing, self.config.seed)
            self._balanced[target.name] = made
        return self._balanced[target.name]

    def training_set_of(self, training: Training, target: TargetSettings) -> TrainingSet:
        """What a network learns from: the balanced labels, for a student with the opinion of its teacher."""
        training_set = self._training_set(target)
        if training.entry.teacher is None:
            return training_set
        return distil(training_set, self._teacher_of(training, target), self.config.distillation)

    def _teacher_of(self, training: Training, target: TargetSettings) -> Predictions:
        """The soft targets of a training that has a teacher."""
        file = training.entry.teacher_file
        if file is None:
            return self._teacher(target)
        return read_teacher_file(file).predict(self._training_set(target), target.name)

    def _teacher(self, target: TargetSettings) -> Predictions:
        """What the ensemble says about the training pictures; asked once: a GPU's answers differ by rounding."""
        key = self._teacher_key(target)
        said = self.folder.read_teacher(target.name, key)
        if said is None:
            voters = {
                label: partial(self._predict_training, each, target) for label, each in self.voters(target).items()
            }
            said = vote(voters, self.ensembles[target.name], self._training_set(target))
            self.folder.write_teacher(said, key)
        return said

    def _predict_training(
        self, training: Training, target: TargetSettings, rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """What a finished network says about the training pictures `rows`; asked once, whatever its targets."""
        faces = self.data.faces.of_split("Training")
        if training.name not in self._predicted:
            _LOG.info("%s is asked about %d training pictures", training.name, len(faces))
            model = FaceModel(training.label, target.name, self.files(training).network)
            self._predicted[training.name] = predict_targets(
                model.network, faces.images, training.names, self.config.prediction
            )
        order = np.argsort(faces.row)
        return self._predicted[training.name][target.name][order[np.searchsorted(faces.row, rows, sorter=order)]]

    def _teacher_key(self, target: TargetSettings) -> str:
        """Hash of everything that decides what the ensemble says about the training pictures."""
        voters, ensemble = self.voters(target), self.ensembles[target.name]
        return _hash(
            ensemble.to_json(),
            self.config.prediction.model_dump_json(),
            self._training_set(target).content_hash(),
            *(self._key(voters[name]) for name in ensemble.members),
        )

    def _key(self, training: Training) -> str:
        """Hash of everything that a network is made from."""
        if training.name not in self._keys:
            parts = [
                self.data.faces.content_hash(),
                *(self._training_set(target).content_hash() for target in training.targets),
                *(target.model_dump_json() for target in training.targets),
                training.entry.backbone.model_dump_json(),
                self.config.training_of(training.entry).identity(),
                str(self.config.seed_of(training)),
            ]
            # What is younger than networks that are kept enters only where it is not as it was for them.
            if self.config.selection != ALL_PICTURES:
                parts.append(self.config.selection.model_dump_json())
            if weights := content_of(training.entry.backbone):
                parts.append(weights)
            if training.entry.teacher:
                parts.append(self.config.distillation.model_dump_json())
                file = training.entry.teacher_file
                parts += [file_sha256(file)] if file else map(self._teacher_key, training.targets)
            self._keys[training.name] = _hash(*parts)
        return self._keys[training.name]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _saved(checkpoint: Path) -> int:
    """When the last state below was written, in nanoseconds; 0 if there is none."""
    return max((each.stat().st_mtime_ns for each in checkpoint.glob("*/state/progress.json")), default=0)
