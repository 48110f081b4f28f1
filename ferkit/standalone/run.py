"""A whole run in one process, with files for results: for a GPU machine that has neither ZenML nor MLflow.

It does what the pipeline does, by the same plan (`ferkit.config.run_plan`) with the same functions. It can be
killed at any time: what is finished is kept, and a training goes on after its last whole epoch.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ferkit.config.run_config import RunConfig, Training
from ferkit.config.run_plan import ENSEMBLE, TargetPlan
from ferkit.data.labels import Split
from ferkit.environment import this_environment
from ferkit.errors import ConfigError, DataError
from ferkit.evaluation.evaluate import evaluate
from ferkit.models.ensemble import Ensemble, combine, selection_ensemble
from ferkit.models.predictions import Predictions
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.members import RunMembers
from ferkit.standalone.records import RunRecord
from ferkit.standalone.run_data import RunData

__all__ = ["train_run"]

_LOG = logging.getLogger(__name__)


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
        As `ferkit.standalone.run_data.read_data` read it.
    out
        The run folder, see `ferkit.standalone.folder`. What it holds of this very configuration is not done again.
    only
        Labels of the backbones to train; all if empty. Ensembles and scores are made when every network is there.
    deadline : seconds of `time.monotonic`
        After the epoch that passes it, the run stops.
    test
        Whether PrivateTest is read. Without, scores are those of PublicTest.

    Returns
    -------
    DataFrame
        The scores of every model, as `ferkit.evaluation.evaluate.Evaluation.to_table`; empty if networks are missing.

    Raises
    ------
    OutOfTimeError
        If the deadline has passed.
    FerkitError
        As the parts of a run do.
    """
    begin = time.monotonic()
    known = [entry.label for entry in config.backbones]
    if unknown := set(only) - set(known):
        raise ConfigError(f"--only {' '.join(sorted(unknown))}: no such backbone, expected some of {' '.join(known)}.")
    run = RunMembers(config, data, RunFolder(out), this_environment(), deadline)
    where = run.environment
    _LOG.info("%s, seed %d: %s on %s, commit %s", config.name, config.seed, where.backend, where.device, where.commit)
    _LOG.info("%d pictures read, %d kept", len(data.ingested), len(data.faces))
    run.folder.write_config(config.to_yaml())
    run.folder.write_left_out(data.left_out)
    complete = False
    try:
        if not _train(run, run.plan.members, only):
            return pd.DataFrame()
        run.ensembles = {each.target.name: _combine(run, each) for each in run.plan.targets}
        if not _train(run, run.plan.students, only):
            return pd.DataFrame()
        test = test and config.evaluation.private_test
        tables = [_judge(run, each, test=test) for each in run.plan.targets]
        complete = test
    finally:
        _write_record(run, time.monotonic() - begin, complete=complete)
    return pd.concat(tables, ignore_index=True)


def _train(run: RunMembers, trainings: Sequence[Training], only: Sequence[str]) -> bool:
    """Train those of `trainings` whose labels are in `only`, all if that is empty; whether all of them are there."""
    for each in trainings:
        if not only or each.label in only:
            run.train(each)
    return not run.missing(trainings)


def _combine(run: RunMembers, plan: TargetPlan) -> Ensemble:
    """The ensemble of a target, found on PublicTest."""
    predictions = {each.label: run.predictions(each, plan.target, "PublicTest") for each in plan.voters}
    config, faces = run.config, run.data.faces
    ensemble = selection_ensemble(predictions, faces, plan.target, config.selection, config.ensemble)
    run.folder.write_ensemble(ensemble)
    return ensemble


def _judge(run: RunMembers, plan: TargetPlan, *, test: bool) -> pd.DataFrame:
    """Scores of every network of a target and of the ensemble; PrivateTest is read here and nowhere else."""
    target = plan.target
    splits: tuple[Split, ...] = ("PublicTest", "PrivateTest") if test else ("PublicTest",)
    predictions: dict[Split, dict[str, Predictions]] = {}
    for split in splits:
        networks = {each.label: run.predictions(each, target, split) for each in plan.trainings}
        predictions[split] = {**networks, ENSEMBLE: combine(networks, run.ensembles[target.name])}
    seed, settings = run.config.seed, run.config.evaluation
    judged = [
        evaluate(model, [predictions[split][model] for split in splits], run.data.ingested, target, settings, seed)
        for model in plan.models
    ]
    table = pd.concat([each.to_table() for each in judged], ignore_index=True)
    run.folder.write_evaluations(target.name, table)
    return table


def _write_record(run: RunMembers, seconds: float, *, complete: bool) -> None:
    """Write what the run was made from and how far it is."""
    try:
        before = run.folder.read_record().seconds
    except DataError:
        before = 0.0
    members = {each.name: run.files(each) for each in run.config.trained()}
    run.folder.write_record(
        RunRecord(
            name=run.config.name,
            seed=run.config.seed,
            fingerprint=run.data.fingerprint,
            data_hash=run.data.ingested.content_hash(),
            environment=run.environment,
            seconds=before + seconds,
            pictures_per_second={
                name: files.read_record().numbers["pictures_per_second"]
                for name, files in members.items()
                if files.has_record()
            },
            complete=complete,
        )
    )
