"""A run in a folder whose networks were never trained, what is exported of it, and the data that both know."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from ferkit.backbones import build_network
from ferkit.cli.state.one_at_a_time import one_at_a_time
from ferkit.config.run_config import RunConfig
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FERPLUS_VOTES, SPLITS, class_names
from ferkit.environment import this_environment
from ferkit.models.face_model import FaceModel
from ferkit.release.export_reference import Choice, export_reference
from ferkit.sources import load
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.records import MemberRecord, RunRecord
from tests.toys.command import forked
from tests.toys.run import CONFIG as TOY_CONFIG

ROOT = Path(__file__).parents[2]
CONFIG = RunConfig.model_validate(
    {
        **TOY_CONFIG,
        "training": {"network": {"epochs": 1, "learning_rate": 0.01, "warmup_epochs": 0}, "batch_size": 32},
        "prediction": {"flip": True},
    }
)


def exported_run() -> tuple[Path, Path]:
    """Folders of a run and of what is exported of it, made once for all of pytest's processes; nobody changes them."""
    shared = Path(tempfile.gettempdir()) / "exported-run"
    run, exported, complete = shared / "runs" / "toy", shared / "reference", shared / "complete"
    with one_at_a_time(shared.with_suffix(".lock")):
        if not complete.exists():
            # Of one that failed.
            shutil.rmtree(shared, ignore_errors=True)
            faces = load(CONFIG.data)
            _write_run(run, faces)
            export_reference([run], exported, faces, Choice())
            complete.touch()
    return run, exported


def _write_run(path: Path, faces: FaceDataset) -> None:
    """What `python -m ferkit.standalone` leaves of `CONFIG`, but for the epochs: the networks are as they were born."""
    folder = RunFolder(path)
    environment = this_environment()
    about = {"environment": environment, "seconds": 90.0, "seed": 0}
    for seed, training in enumerate(CONFIG.trained()):
        member = folder.member(training.name)
        member.path.mkdir(parents=True)
        heads = {name: len(class_names(name)) for name in training.names}
        build_network(training.entry.backbone, heads, seed=seed).save(member.network)
        for target in training.targets:
            model = FaceModel(training.label, target.name, member.network)
            member.write_predictions(model.predict_split(faces, target, "PublicTest", CONFIG.prediction))
        member.write_history(pd.DataFrame({"epoch": [0]}))
        record = {
            "label": training.label,
            "targets": training.names,
            "key": "key",
            "backbone": training.entry.backbone,
            "training": CONFIG.training_of(training.entry),
            "training_sets": dict.fromkeys(training.names, "hash"),
            "distillation": CONFIG.distillation if training.entry.teacher else None,
            "numbers": {"best_epoch": 0.0},
            "precision": "float32",
            "prediction": CONFIG.prediction,
        }
        member.write_record(MemberRecord(**record, **about))
    folder.write_config(CONFIG.to_yaml())
    folder.write_record(RunRecord(name="toy", fingerprint="hash", data_hash="hash", complete=True, **about))
    folder.log.write_text("wrote /home/someone/secret/file.txt, 1/2 of it\n")


def ferkit(*arguments):
    """What the command does that is run in this checkout."""
    return subprocess.run(
        forked(*arguments),
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300, stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
    )  # fmt: skip


def write_csv(faces: FaceDataset, folder: Path) -> Path:
    """fer2013.csv and fer2013new.csv of `faces`."""
    usage = np.array(SPLITS)[faces.split]
    pixels = [" ".join(map(str, picture.ravel())) for picture in faces.images]
    pd.DataFrame({"emotion": faces.label, "pixels": pixels, "Usage": usage}).to_csv(folder / "fer2013.csv", index=False)
    votes = pd.DataFrame(faces.votes, columns=FERPLUS_VOTES)
    votes.insert(0, "Usage", usage)
    votes.insert(1, "Image name", "x.png")
    votes.to_csv(folder / "fer2013new.csv", index=False)
    return folder
