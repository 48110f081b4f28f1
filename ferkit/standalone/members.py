"""The networks of a run without ZenML: which are finished, training those that are not, predicting with them."""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ferkit.backbones.weights import content_of
from ferkit.config.run_config import RunConfig, Training
from ferkit.config.run_plan import RunPlan
from ferkit.data.labels import Split, Target
from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.environment import Environment
from ferkit.errors import TrainingError
from ferkit.file_hashes import file_sha256
from ferkit.models.ensemble import Ensemble
from ferkit.models.face_model import FaceModel
from ferkit.models.predictions import Predictions
from ferkit.preparation import balancing
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.member_folder import MemberFolder
from ferkit.standalone.records import ALL_PICTURES, MemberRecord
from ferkit.standalone.run_data import RunData
from ferkit.training.distillation import distil
from ferkit.training.epochs import EpochRecord
from ferkit.training.execution import precision_of
from ferkit.training.member import train_member
from ferkit.training.teacher import predict_training, teach
from ferkit.training.teacher_file import read_teacher_file

__all__ = ["OutOfTimeError", "RunMembers"]

_LOG = logging.getLogger(__name__)


class OutOfTimeError(TrainingError):
    """The time limit has passed; what is done is kept."""


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
    _predicted: dict[str, dict[Target, Predictions]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plan = RunPlan.of(self.config)

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
            _LOG.info("%s is trained already, and predicts anew: other views of the pictures", training.name)
            files.discard()
            self._predict(training, "PublicTest")
            files.write_record(record.model_copy(update={"prediction": self.config.prediction}))
        else:
            _LOG.info("%s is trained already", training.name)

    def predictions(self, training: Training, target: TargetSettings, split: Split) -> Predictions:
        """The predictions of a finished network for the pictures of `split`; made once, for all its targets."""
        files = self.files(training)
        if not files.has_predictions(target.name, split):
            self._predict(training, split)
        return files.read_predictions(target.name, split)

    def _model(self, training: Training) -> FaceModel:
        """A finished network."""
        return FaceModel(training.label, training.names[0], self.files(training).network)

    def _predict(self, training: Training, split: Split) -> None:
        """Write the predictions of every head of a finished network for the pictures of `split`."""
        found = self._model(training).predict_heads(self.data.faces, training.targets, split, self.config.prediction)
        for predictions in found.values():
            self.files(training).write_predictions(predictions)

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
        self._predict(training, "PublicTest")
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
        """What a network learns from: the balanced labels, with the predictions of its teacher if it has one."""
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
        """The vote of the ensemble on the training pictures; made once: predictions of a GPU differ by rounding."""
        name, key = target.name, self._teacher_key(target)
        stored = self.folder.read_teacher(name, key)
        if stored is not None:
            return stored
        found = {voter.label: self._predict_training(voter) for voter in self.plan.about(name).voters}
        predictions = {label: each[name] for label, each in found.items() if name in each}
        teacher = teach(predictions, self.ensembles[name], self._training_set(target))
        self.folder.write_teacher(teacher, key)
        return teacher

    def _predict_training(self, training: Training) -> dict[Target, Predictions]:
        """The predictions of a finished network for Training, of each target that it teaches; made once."""
        if training.name not in self._predicted:
            taught = [each for each in self.plan.targets_of(training) if each.students and training in each.voters]
            self._predicted[training.name] = predict_training(
                self._model(training),
                self.data.faces,
                [each.target for each in taught],
                [self.ensembles[each.target.name] for each in taught],
                self.config.prediction,
            )
        return self._predicted[training.name]

    def _teacher_key(self, target: TargetSettings) -> str:
        """Hash of everything that decides the vote of the ensemble on the training pictures."""
        voters = {each.label: each for each in self.plan.about(target.name).voters}
        ensemble = self.ensembles[target.name]
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
