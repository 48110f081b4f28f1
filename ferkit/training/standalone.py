"""A whole run in one process, with files for results: for a GPU machine that has neither ZenML nor MLflow.

It does what the pipeline does, in the same order with the same functions, and can be killed at any time: what is
finished is kept, and a training goes on after its last whole epoch.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ferkit import balancing
from ferkit.cleaning import drop_non_faces
from ferkit.config import BackboneEntry, RunConfig
from ferkit.dataset import FaceDataset
from ferkit.ensemble import Ensemble, combine, fit_ensemble
from ferkit.errors import ConfigError, DataError, TrainingError
from ferkit.evaluation import evaluate
from ferkit.labels import Split, Target
from ferkit.model import FaceModel
from ferkit.predictions import Predictions
from ferkit.provenance import Environment, this_environment
from ferkit.quarantine import without_quarantined
from ferkit.run_folder import MemberFolder, MemberRecord, RunFolder, RunRecord
from ferkit.sources import fingerprint, load
from ferkit.targets import TargetSettings, labelled
from ferkit.training.checkpoint import remove_finished
from ferkit.training.epochs import EpochRecord
from ferkit.training.execution import use_precision
from ferkit.training.member import train_member
from ferkit.training_set import TrainingSet
from ferkit.views import NO_VIEWS, TestTimeAugmentation

__all__ = ["OutOfTimeError", "RunData", "read_data", "train_run"]

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
        As `ferkit.sources.load` and `ferkit.cleaning.drop_non_faces` do.
    """
    ingested = load(config.data)
    cleaned = drop_non_faces(without_quarantined(ingested, config.validation), config.cleaning)
    return RunData(fingerprint(config.data), ingested, cleaned.faces)


def train_run(
    config: RunConfig,
    data: RunData,
    out: Path,
    *,
    only: Sequence[str] = (),
    deadline: float | None = None,
    test: bool = True,
) -> pd.DataFrame:
    """Train the networks of `config`, combine and judge them, and write everything to `out`.

    Parameters
    ----------
    data
        As `read_data` read it.
    out
        The run folder, see `ferkit.run_folder`. What it holds of this very configuration is not done again.
    only
        Labels of the backbones to train; all if empty. Ensembles and scores are made when every network is there.
    deadline : seconds of `time.monotonic`
        After the epoch that passes it, the run stops.
    test
        Whether PrivateTest is read. Without, scores are those of PublicTest.

    Returns
    -------
    DataFrame
        The scores of every model, as `ferkit.evaluation.Evaluation.to_table`; empty if networks are missing.

    Raises
    ------
    OutOfTimeError
        If the deadline has passed.
    FerkitError
        As the parts of a run do.
    """
    trainings = _trainings(config)
    known = [each.label for each in trainings]
    if unknown := set(only) - set(known):
        raise ConfigError(f"--only {' '.join(sorted(unknown))}: no such backbone, expected some of {' '.join(known)}.")
    run = _Run(config, data, RunFolder(out), this_environment(), deadline)
    where = run.environment
    _LOG.info("%s, seed %d: %s on %s, commit %s", config.name, config.seed, where.backend, where.device, where.commit)
    _LOG.info("%d pictures read, %d kept", len(data.ingested), len(data.faces))
    run.folder.write_config(config.to_yaml())
    wanted = [each for each in trainings if not only or each.label in only]
    voters = [each for each in trainings if not each.taught]
    try:
        for each in wanted:
            if not each.taught:
                _train(run, each)
        if _missing(run, voters):
            return pd.DataFrame()
        run.ensembles = {target.name: _combine(run, target, voters) for target in config.targets}
        for each in wanted:
            if each.taught:
                _train(run, each)
        if _missing(run, trainings):
            return pd.DataFrame()
        tables = [_judge(run, target, trainings, test=test) for target in config.targets]
        run.complete = test
    finally:
        _write_record(run, trainings)
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class _Training:
    """One training of a run: a backbone, and the targets that it gets heads for."""

    entry: BackboneEntry
    targets: tuple[TargetSettings, ...]

    @property
    def label(self) -> str:
        return self.entry.label

    @property
    def names(self) -> tuple[Target, ...]:
        return tuple(target.name for target in self.targets)

    @property
    def taught(self) -> bool:
        """Whether it learns from the ensemble, and so comes after it."""
        return getattr(self.entry, "teacher", None) is not None


@dataclass
class _Run:
    """What the parts of a run share."""

    config: RunConfig
    data: RunData
    folder: RunFolder
    environment: Environment
    deadline: float | None
    complete: bool = False
    since: float = field(default_factory=time.monotonic)
    training_sets: dict[Target, TrainingSet] = field(default_factory=dict)
    ensembles: dict[Target, Ensemble] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def views(self) -> TestTimeAugmentation:
        return getattr(self.config, "prediction", NO_VIEWS)

    @property
    def out_of_time(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def training_set(self, target: TargetSettings) -> TrainingSet:
        """The balanced training split of a target, made once."""
        if target.name not in self.training_sets:
            made = balancing.oversample(self.data.faces, target, self.config.balancing, self.config.seed)
            self.training_sets[target.name] = made
        return self.training_sets[target.name]

    def member(self, training: _Training) -> MemberFolder:
        return self.folder.member(training.names, training.label)


def _trainings(config: RunConfig) -> list[_Training]:
    """Every training of a run, in order; a joint one once."""
    found: dict[tuple[str, tuple[str, ...]], _Training] = {}
    for target in config.targets:
        for entry in config.members(target.name):
            targets: tuple[TargetSettings, ...] = (target,)
            if getattr(entry, "joint", False):
                targets = tuple(each for each in config.targets if entry in config.members(each.name))
            training = _Training(entry, targets)
            found.setdefault((training.label, training.names), training)
    return list(found.values())


def _key(run: _Run, training: _Training) -> str:
    """Hash of everything that a network is made from."""
    name = run.member(training).path.name
    if name not in run.keys:
        parts = [
            run.data.faces.content_hash(),
            *(run.training_set(target).content_hash() for target in training.targets),
            *(target.model_dump_json() for target in training.targets),
            training.entry.backbone.model_dump_json(),
            run.config.training_of(training.entry).model_dump_json(),
            str(run.config.seed),
        ]
        if training.taught:
            parts += [run.config.distillation.model_dump_json()]
            parts += [_teacher_key(run, target) for target in training.targets]
        run.keys[name] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return run.keys[name]


def _finished(run: _Run, training: _Training) -> MemberRecord | None:
    return run.member(training).finished(_key(run, training))


def _missing(run: _Run, trainings: Sequence[_Training]) -> bool:
    """Whether a network is not trained yet; says which."""
    names = [run.member(each).path.name for each in trainings if _finished(run, each) is None]
    if names:
        _LOG.info("still to be trained before anything is combined and judged: %s", ", ".join(names))
    return bool(names)


def _train(run: _Run, training: _Training) -> None:
    """Train a network and write its files, unless they are there."""
    folder = run.member(training)
    name = folder.path.name
    record = _finished(run, training)
    if record is None:
        _LOG.info("%s ...", name)
        _fine_tune(run, training)
    elif record.prediction != run.views:
        _LOG.info("%s is trained already, and is asked anew: other views of the pictures", name)
        folder.discard()
        for target in training.targets:
            folder.write_predictions(_ask(run, training, target, "PublicTest"))
        folder.write_record(record.model_copy(update={"prediction": run.views}))
    else:
        _LOG.info("%s is trained already", name)


def _fine_tune(run: _Run, training: _Training) -> None:
    import keras

    folder, workspace = run.member(training), run.folder.checkpoints
    folder.discard()
    settings = run.config.training_of(training.entry)
    training_sets = {target.name: _training_set(run, training, target) for target in training.targets}
    begin = time.monotonic()
    member = train_member(
        run.data.faces,
        training_sets,
        training.targets,
        training.entry.backbone,
        settings,
        run.config.seed,
        workspace=workspace,
        views=run.views,
        on_epoch=_stopper(run, workspace / folder.path.name),
    )
    for predictions in member.validation.values():
        folder.write_predictions(predictions)
    folder.write_history(member.history)
    member.models[training.names[0]].file.replace(folder.network)
    with use_precision(settings.execution.precision):
        precision = keras.config.dtype_policy().name
    record = MemberRecord(
        label=training.label,
        targets=training.names,
        key=_key(run, training),
        backbone=training.entry.backbone,
        training=settings,
        seed=run.config.seed,
        training_sets={name: made.content_hash() for name, made in training_sets.items()},
        numbers=member.numbers,
        environment=run.environment,
        precision=precision,
        prediction=run.views,
        seconds=time.monotonic() - begin,
    )
    folder.write_record(record)
    remove_finished(workspace)
    # What is left of one network on the device would be missing to the next.
    keras.utils.clear_session()


def _stopper(run: _Run, checkpoint: Path) -> Callable[[EpochRecord], None]:
    """Called after each epoch; stops the run when its time is up, but not before it has come an epoch further."""
    state = checkpoint / "state" / "progress.json"
    found = state.stat().st_mtime_ns if state.exists() else None

    def stop(record: EpochRecord) -> None:
        if run.out_of_time and state.stat().st_mtime_ns != found:
            raise OutOfTimeError(f"the time limit has passed, {checkpoint.name} stands after epoch {record['epoch']}")

    return stop


def _training_set(run: _Run, training: _Training, target: TargetSettings) -> TrainingSet:
    """What a network learns from: the balanced labels, and what the ensemble says about them if it is taught."""
    training_set = run.training_set(target)
    if not training.taught:
        return training_set
    from ferkit.training.distillation import distil

    return distil(training_set, _teacher(run, target), run.config.distillation)


def _teacher_key(run: _Run, target: TargetSettings) -> str:
    """Hash of everything that decides what the ensemble says about the training pictures."""
    ensemble = run.ensembles[target.name]
    voters = {each.label: each for each in _trainings(run.config) if target in each.targets and not each.taught}
    parts = [ensemble.to_json(), run.views.model_dump_json(), run.training_set(target).content_hash()]
    parts += [_key(run, voters[name]) for name in ensemble.members]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _teacher(run: _Run, target: TargetSettings) -> Predictions:
    """What the ensemble says about the training pictures; asked once, as a GPU may say it slightly otherwise again."""
    key = _teacher_key(run, target)
    found = run.folder.read_teacher(target.name, key)
    if found is not None:
        return found
    ensemble, training_set = run.ensembles[target.name], run.training_set(target)
    real = np.flatnonzero(~training_set.made)
    said = {}
    for training in _trainings(run.config):
        if target in training.targets and training.label in ensemble.members:
            _LOG.info("%s teaches %s", run.member(training).path.name, target.name)
            model = FaceModel(training.label, target.name, run.member(training).network)
            probabilities = model.predict(training_set.images[real], run.views)
            said[training.label] = Predictions(target.name, "Training", training_set.row[real], probabilities)
    teacher = combine(said, ensemble)
    run.folder.write_teacher(teacher, key)
    return teacher


def _combine(run: _Run, target: TargetSettings, voters: Sequence[_Training]) -> Ensemble:
    """The ensemble of a target, found on PublicTest."""
    said = {
        each.label: run.member(each).read_predictions(target.name, "PublicTest")
        for each in voters
        if target in each.targets
    }
    _, labels = labelled(run.data.faces.of_split("PublicTest"), target.name, target.protocol)
    ensemble = fit_ensemble(said, labels, run.config.ensemble)
    run.folder.write_ensemble(ensemble)
    return ensemble


def _ask(run: _Run, training: _Training, target: TargetSettings, split: Split) -> Predictions:
    model = FaceModel(training.label, target.name, run.member(training).network)
    return model.predict_split(run.data.faces, target, split, run.views)


def _judge(run: _Run, target: TargetSettings, trainings: Sequence[_Training], *, test: bool) -> pd.DataFrame:
    """Scores of every network of a target and of the ensemble."""
    models = [each for each in trainings if target in each.targets]
    splits: tuple[Split, ...] = ("PublicTest", "PrivateTest") if test else ("PublicTest",)
    said: dict[Split, dict[str, Predictions]] = {}
    for split in splits:
        for each in models:
            # PrivateTest is asked about once, here.
            if split == "PrivateTest" and not run.member(each).has_predictions(target.name, split):
                run.member(each).write_predictions(_ask(run, each, target, split))
        said[split] = {each.label: run.member(each).read_predictions(target.name, split) for each in models}
        said[split]["ensemble"] = combine(said[split], run.ensembles[target.name])
    tables = []
    for name in said["PublicTest"]:
        predictions = [said[split][name] for split in splits]
        judged = evaluate(name, predictions, run.data.ingested, target, run.config.evaluation, run.config.seed)
        tables.append(judged.to_table())
    table = pd.concat(tables, ignore_index=True)
    run.folder.write_evaluations(target.name, table)
    return table


def _write_record(run: _Run, trainings: Sequence[_Training]) -> None:
    """Write what the run was made from and how far it is."""
    try:
        before = run.folder.read_record().seconds
    except DataError:
        before = 0.0
    found = [run.member(each) for each in trainings]
    run.folder.write_record(
        RunRecord(
            name=run.config.name,
            seed=run.config.seed,
            fingerprint=run.data.fingerprint,
            data_hash=run.data.ingested.content_hash(),
            environment=run.environment,
            seconds=before + time.monotonic() - run.since,
            pictures_per_second={
                each.path.name: each.read_record().numbers["pictures_per_second"]
                for each in found
                if (each.path / "member.json").exists()
            },
            complete=run.complete,
        )
    )
