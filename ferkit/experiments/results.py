"""What the runs of an experiment found, in files: a run that is there is not asked for again."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from ferkit.config.named_files import NamedFiles
from ferkit.config.run_config import RunConfig
from ferkit.data.labels import Split, Target
from ferkit.errors import DataError
from ferkit.files import written_whole
from ferkit.models.predictions import Predictions
from ferkit.settings import Settings

__all__ = ["CellRun", "RunResult", "RunStore", "deciding_split", "run_key"]


class CellRun(Settings):
    """The record of one run of a cell.

    Attributes
    ----------
    key
        Of what it was made from, see `run_key`.
    run
        Its name in ZenML and MLflow.
    commit
        Of ferkit's code, if it was run from a git checkout.
    seconds
        From the start of the run to its end.
    training_seconds
        Of its trainings, also of those that came from the cache.
    """

    key: str
    run: str
    commit: str | None
    seconds: float
    training_seconds: float


@dataclass(frozen=True, eq=False)
class RunResult:
    """What one cell found with one seed and, of data with folds, in one fold.

    Attributes
    ----------
    record
        Which run it was.
    scores
        Of every model and subset, as `ferkit.evaluation.evaluate.Evaluation.to_table`.
    predictions
        About the pictures that decide, by target and model: those of `deciding_split`.
    histories
        Of each training by its name: a line an epoch.
    """

    record: CellRun
    scores: pd.DataFrame
    predictions: dict[tuple[Target, str], Predictions]
    histories: dict[str, pd.DataFrame]


def run_key(config: RunConfig, files: NamedFiles) -> str:
    """Hash of everything that decides what a run finds: settings and the content of files, but no name.

    The code is not part of it: of results that other commits made the report says so.
    """
    left_out = {"name": True, "experiment": True, "registry": True, "resources": True}
    settings = config.model_dump_json(exclude={**left_out, "backbones": {"__all__": {"resources"}}})
    return hashlib.sha256(f"{settings}\n{files.model_dump_json()}".encode()).hexdigest()


def deciding_split(config: RunConfig) -> Split:
    """The pictures that an experiment is decided on: PublicTest, or the fold that no part of a run learned from."""
    return "PrivateTest" if config.data.folds and config.evaluation.private_test else "PublicTest"


class RunStore:
    """The results of one experiment in a folder, a file a cell, seed and fold.

    Parameters
    ----------
    folder
        Made when the first result is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, cell: str, seed: int, key: str, fold: int | None = None) -> RunResult | None:
        """The result of a cell and a seed, None if there is none that was made from what `key` stands for."""
        file = self._file(cell, seed, fold)
        try:
            with np.load(file, allow_pickle=False) as stored:
                record = CellRun.model_validate_json(str(stored["record"]))
                if record.key != key:
                    return None
                return RunResult(
                    record=record,
                    scores=pd.read_json(io.StringIO(str(stored["scores"])), orient="table", precise_float=True),
                    predictions={(each.target, model): each for model, each in _predictions(stored)},
                    histories={
                        name.removeprefix("history "): pd.read_json(
                            io.StringIO(str(stored[name])), orient="table", precise_float=True
                        )
                        for name in stored.files
                        if name.startswith("history ")
                    },
                )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, ValidationError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"{file}: damaged ({reason}); delete it, and the cell is run again.") from error

    def write(self, cell: str, seed: int, result: RunResult, fold: int | None = None) -> None:
        """Keep a result, whole or not at all; an older one is replaced."""
        arrays: dict[str, Any] = {
            "record": result.record.model_dump_json(),
            "scores": result.scores.to_json(orient="table", index=False, double_precision=15),
            "models": json.dumps(
                [[target, model, each.classes, each.split] for (target, model), each in result.predictions.items()]
            ),
        }
        for name, history in result.histories.items():
            arrays[f"history {name}"] = history.to_json(orient="table", index=False, double_precision=15)
        for number, each in enumerate(result.predictions.values()):
            arrays |= {f"row {number}": each.row, f"probabilities {number}": each.probabilities}
        with written_whole(self._file(cell, seed, fold)) as part, part.open("wb") as opened:
            np.savez_compressed(opened, **arrays)

    def _file(self, cell: str, seed: int, fold: int | None) -> Path:
        return self.folder / cell / (f"seed-{seed}.npz" if fold is None else f"seed-{seed}-fold-{fold}.npz")


def _predictions(stored: Any) -> Iterator[tuple[str, Predictions]]:
    for number, (target, model, classes, *split) in enumerate(json.loads(str(stored["models"]))):
        row, probabilities = stored[f"row {number}"], stored[f"probabilities {number}"]
        # Results of before there were folds do not say it.
        yield model, Predictions(target, split[0] if split else "PublicTest", row, probabilities, tuple(classes))
