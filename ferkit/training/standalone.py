"""A whole run in one process, with files for results: for a GPU machine that has neither ZenML nor MLflow.

It does what the pipeline does, in the same order with the same functions, and can be killed at any time: what is
finished is kept, and a training goes on after its last whole epoch.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ferkit import balancing
from ferkit.cleaning import drop_non_faces
from ferkit.config import BackboneEntry, RunConfig
from ferkit.dataset import FaceDataset
from ferkit.ensemble import Ensemble, combine, fit_ensemble
from ferkit.errors import FerkitError
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

__all__ = ["OutOfTimeError", "train_run"]

_LOG = logging.getLogger(__name__)


class OutOfTimeError(FerkitError):
    """The time limit has passed; what is done is kept."""


@dataclass(frozen=True)
class _Training:
    """One training of a run: a backbone and the targets that it has heads for."""

    entry: BackboneEntry
    targets: tuple[TargetSettings, ...]

    @property
    def label(self) -> str:
        return self.entry.label

    @property
    def names(self) -> tuple[Target, ...]:
        return tuple(target.name for target in self.targets)


@dataclass
class _Run:
    """What the parts of a run share."""

    config: RunConfig
    folder: RunFolder
    environment: Environment
    ingested: FaceDataset
    faces: FaceDataset
    fingerprint: str
    out_of_time: Callable[[], bool]
    begin: float = field(default_factory=time.monotonic)
    training_sets: dict[Target, TrainingSet] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def training_set(self, target: TargetSettings) -> TrainingSet:
        """The balanced training split of a target, made once."""
        if target.name not in self.training_sets:
            made = balancing.oversample(self.faces, target, self.config.balancing, self.config.seed)
            self.training_sets[target.name] = made
        return self.training_sets[target.name]


def train_run(
    config: RunConfig,
    out: Path,
    *,
    only: Sequence[str] = (),
    time_limit: float | None = None,
    test: bool = True,
) -> pd.DataFrame:
    """Train the networks of `config`, combine and judge them, and write everything to `out`.

    Parameters
    ----------
    out
        The run folder, see `ferkit.run_folder`. What it holds of this very configuration is not done again.
    only
        Labels of the backbones to train; all if empty. Ensembles and scores are made when all members are there.
    time_limit : seconds
        After the epoch that passes it, the run stops.
    test
        Whether PrivateTest is read. Without, scores are those of PublicTest.

    Returns
    -------
    DataFrame
        The scores of every model, as `Evaluation.to_table`; empty if members are missing.

    Raises
    ------
    OutOfTimeError
        If the time limit has passed.
    FerkitError
        As the parts of a run do.
    """
    trainings = _trainings(config)
    known = [each.label for each in trainings]
    if unknown := set(only) - set(known):
        raise FerkitError(f"--only {' '.join(sorted(unknown))}: no such backbone, expected some of {' '.join(known)}.")
    begin = time.monotonic()
    folder = RunFolder(out)
    folder.write_config(config.to_yaml())
    run = _prepare(config, folder, lambda: time_limit is not None and time.monotonic() - begin > time_limit)
    _write_run(run, complete=False)
    wanted = [each for each in trainings if not only or each.label in only]
    for training in wanted:
        _train(run, training)
        _write_run(run, complete=False)
    if missing := [each.label for each in trainings if _finished(run, each) is None]:
        _LOG.info("no ensemble and no scores yet: %s still to be trained", ", ".join(missing))
        return pd.DataFrame()
    tables = [_judge_target(run, target, trainings, test=test) for target in config.targets]
    _write_run(run, complete=test)
    return pd.concat(tables, ignore_index=True)


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


def _prepare(config: RunConfig, folder: RunFolder, out_of_time: Callable[[], bool]) -> _Run:
    environment = this_environment()
    _LOG.info("%s: %s on %s, commit %s", config.name, environment.backend, environment.device, environment.commit)
    data = fingerprint(config.data)
    ingested = load(config.data)
    cleaned = drop_non_faces(without_quarantined(ingested, config.validation), config.cleaning)
    _LOG.info("%d pictures read, %d kept", len(ingested), len(cleaned.faces))
    return _Run(config, folder, environment, ingested, cleaned.faces, data, out_of_time)


def _key(run: _Run, training: _Training) -> str:
    """Hash of everything that a member is made from."""
    name = _member(run, training).path.name
    if name in run.keys:
        return run.keys[name]
    parts = [
        run.faces.content_hash(),
        *(run.training_set(target).content_hash() for target in training.targets),
        *(target.model_dump_json() for target in training.targets),
        training.entry.backbone.model_dump_json(),
        run.config.training_of(training.entry).model_dump_json(),
        str(run.config.seed),
    ]
    run.keys[name] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return run.keys[name]


def _member(run: _Run, training: _Training) -> MemberFolder:
    return run.folder.member(training.names, training.label)


def _finished(run: _Run, training: _Training) -> MemberRecord | None:
    return _member(run, training).finished(_key(run, training))


def _train(run: _Run, training: _Training) -> None:
    """Train a member and write its files, if they are not there."""
    import keras

    name = _member(run, training).path.name
    if _finished(run, training):
        _LOG.info("%s is trained already", name)
        return
    if run.out_of_time():
        raise OutOfTimeError(f"the time limit has passed before {name}")
    _LOG.info("%s ...", name)
    member_folder, workspace = _member(run, training), run.folder.path / "checkpoints"
    member_folder.discard_record()
    settings = run.config.training_of(training.entry)
    training_sets = {target.name: run.training_set(target) for target in training.targets}
    begin = time.monotonic()
    member = train_member(
        run.faces,
        training_sets,
        training.targets,
        training.entry.backbone,
        settings,
        run.config.seed,
        workspace=workspace,
        on_epoch=_stopper(run, workspace / name, name),
    )
    for predictions in member.validation.values():
        member_folder.write_predictions(predictions)
    member_folder.write_history(member.history)
    (workspace / name / "network.keras").replace(member_folder.network)
    with use_precision(settings.execution.precision):
        precision = keras.config.dtype_policy().name
    record = MemberRecord(
        label=training.label,
        targets=training.names,
        key=_key(run, training),
        backbone=training.entry.backbone,
        training=settings,
        seed=run.config.seed,
        training_sets={each: made.content_hash() for each, made in training_sets.items()},
        numbers=member.numbers,
        environment=run.environment,
        precision=precision,
        seconds=time.monotonic() - begin,
    )
    member_folder.write_record(record)
    remove_finished(workspace)
    # What is left of one network on the device would be missing to the next.
    keras.utils.clear_session()


def _stopper(run: _Run, checkpoint: Path, name: str) -> Callable[[EpochRecord], None]:
    """Called after each epoch; stops the run when its time is up, but not before it has come an epoch further."""
    state = checkpoint / "state" / "progress.json"
    found = state.stat().st_mtime_ns if state.exists() else None

    def stop(record: EpochRecord) -> None:
        if run.out_of_time() and state.stat().st_mtime_ns != found:
            raise OutOfTimeError(f"the time limit has passed, {name} stands after epoch {record['epoch']}")

    return stop


def _judge_target(run: _Run, target: TargetSettings, trainings: Sequence[_Training], *, test: bool) -> pd.DataFrame:
    """Ensemble and scores of one target."""
    members = [each for each in trainings if target in each.targets]
    said: dict[Split, dict[str, Predictions]] = {
        "PublicTest": {each.label: _member(run, each).read_predictions(target.name, "PublicTest") for each in members}
    }
    _, labels = labelled(run.faces.of_split("PublicTest"), target.name, target.protocol)
    ensemble = fit_ensemble(said["PublicTest"], labels, run.config.ensemble)
    run.folder.write_ensemble(ensemble)
    if test:
        said["PrivateTest"] = {each.label: _test(run, each, target) for each in members}
    table = _scores(run, target, said, ensemble)
    run.folder.write_evaluations(target.name, table)
    return table


def _test(run: _Run, training: _Training, target: TargetSettings) -> Predictions:
    """What a member says about PrivateTest; asked once."""
    folder = _member(run, training)
    if not folder.has_predictions(target.name, "PrivateTest"):
        model = FaceModel(training.label, target.name, folder.network)
        folder.write_predictions(model.predict_split(run.faces, target, "PrivateTest"))
    return folder.read_predictions(target.name, "PrivateTest")


def _scores(
    run: _Run, target: TargetSettings, said: Mapping[Split, Mapping[str, Predictions]], ensemble: Ensemble
) -> pd.DataFrame:
    """Every model of a target, and the ensemble, on every split that was asked about."""
    together = {split: {**members, "ensemble": combine(members, ensemble)} for split, members in said.items()}
    return pd.concat(
        [
            evaluate(
                model,
                [members[model] for members in together.values()],
                run.ingested,
                target,
                run.config.evaluation,
                run.config.seed,
            ).to_table()
            for model in together["PublicTest"]
        ],
        ignore_index=True,
    )


def _write_run(run: _Run, *, complete: bool) -> None:
    """Write what the run was made from and how far it is."""
    try:
        seconds = run.folder.read_record().seconds
    except FerkitError:
        seconds = 0.0
    now = time.monotonic()
    seconds, run.begin = seconds + now - run.begin, now
    speeds = {}
    for training in _trainings(run.config):
        record = _finished(run, training)
        if record:
            speeds[_member(run, training).path.name] = record.numbers["pictures_per_second"]
    run.folder.write_record(
        RunRecord(
            name=run.config.name,
            seed=run.config.seed,
            fingerprint=run.fingerprint,
            data_hash=run.ingested.content_hash(),
            environment=run.environment,
            seconds=seconds,
            pictures_per_second=speeds,
            complete=complete,
        )
    )
