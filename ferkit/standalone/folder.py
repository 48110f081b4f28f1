"""The folder that ``python -m ferkit.standalone`` writes and ``ferkit import-run`` reads.

::

    config.yaml                               the run configuration, every default written out
    run.json                                  RunRecord
    training.log
    trainings/TARGETS-LABEL/network.keras     TARGETS: names joined by "+"
                           /history.csv       one line an epoch
                           /member.json       MemberRecord; written last: a member without it is not finished
                           /validation-TARGET.npz, test-TARGET.npz
    checkpoints/                              trainings that are not finished
    ensembles/TARGET.json                     Ensemble
             /teacher-TARGET-KEY.npz          what it says about the training pictures, for students
    evaluations/TARGET.csv                    one line a model and set of pictures

Each file is written beside its place and then moved there, so that a machine that is cut off leaves no half of one.
"""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from pydantic import ValidationError

from ferkit.data.labels import Split, Target
from ferkit.errors import DataError
from ferkit.files import written_whole
from ferkit.models.ensemble import Ensemble
from ferkit.models.predictions import Predictions
from ferkit.settings import Settings
from ferkit.standalone.records import MemberRecord, RunRecord

__all__ = [
    "MemberFolder",
    "MemberImport",
    "Record",
    "RunFolder",
    "damaged_file",
    "missing_file",
    "read_predictions_file",
    "read_record_file",
    "write_file",
    "write_predictions_file",
]

_FILES: dict[Split, str] = {"PublicTest": "validation", "PrivateTest": "test"}


class MemberImport(Settings):
    """Members that were trained elsewhere, as a pipeline has to know of them.

    Attributes
    ----------
    folder
        The run folder.
    hashes
        Content hash of each member, by the name of its folder.
    """

    folder: Path
    hashes: dict[str, str]

    def place(self, name: str) -> dict[str, str]:
        """Folder and content hash of the member `name`."""
        return {"folder": str(RunFolder(self.folder).member(name).path), "folder_hash": self.hashes[name]}


@dataclass(frozen=True)
class MemberFolder:
    """The files of one training."""

    path: Path

    @property
    def network(self) -> Path:
        """The trained network."""
        return self.path / "network.keras"

    def read_record(self) -> MemberRecord:
        """What the member is.

        Raises
        ------
        DataError
            If it is not finished or its record is damaged.
        """
        return read_record_file(self.path / "member.json", MemberRecord)

    def finished(self, key: str) -> MemberRecord | None:
        """The record of a member that was made from what `key` stands for; None if it has to be trained."""
        try:
            record = self.check()
        except DataError:
            return None
        return record if record.key == key else None

    def check(self) -> MemberRecord:
        """Read every file through that an import needs; the record.

        Raises
        ------
        DataError
            If one is missing or damaged.
        """
        record = self.read_record()
        for target in record.targets:
            self.read_predictions(target, "PublicTest")
        self.read_history()
        try:
            with zipfile.ZipFile(self.network) as archive:
                # One flipped bit in the weights would be found when the network has to predict, or never.
                damaged = archive.testzip()
        except FileNotFoundError:
            raise missing_file(self.network) from None
        except (OSError, zipfile.BadZipFile) as error:
            raise damaged_file(self.network, error) from error
        if damaged:
            raise damaged_file(self.network, f"{damaged} in it")
        return record

    def has_record(self) -> bool:
        """Whether a member was finished here, made from whatever."""
        return (self.path / "member.json").is_file()

    def write_record(self, record: MemberRecord) -> None:
        """Say that the member is finished: to be called after its other files are written."""
        write_file(self.path / "member.json", record.model_dump_json(indent=1).encode())

    def discard(self) -> None:
        """Say that the member is not finished, and that nothing is known of it on PrivateTest."""
        (self.path / "member.json").unlink(missing_ok=True)
        for file in self.path.glob(f"{_FILES['PrivateTest']}-*.npz"):
            file.unlink()

    def read_history(self) -> pd.DataFrame:
        """One line an epoch."""
        file = self.path / "history.csv"
        try:
            history = pd.read_csv(file, float_precision="round_trip")
        except FileNotFoundError:
            raise missing_file(file) from None
        except (ValueError, OSError) as error:
            raise damaged_file(file, error) from error
        if "epoch" not in history.columns or not len(history):
            raise damaged_file(file, "no epoch in it")
        return history

    def write_history(self, history: pd.DataFrame) -> None:
        """Write the curves, whole or not at all."""
        write_file(self.path / "history.csv", history.to_csv(index=False).encode())

    def read_predictions(self, target: Target, split: Split) -> Predictions:
        """What the member says about the pictures of `split`."""
        return read_predictions_file(self.path / f"{_FILES[split]}-{target}.npz", target, split)

    def write_predictions(self, predictions: Predictions) -> None:
        """Write what the member says about the pictures of a split."""
        write_predictions_file(self.path / f"{_FILES[predictions.split]}-{predictions.target}.npz", predictions)

    def has_predictions(self, target: Target, split: Split) -> bool:
        """Whether they were written."""
        return (self.path / f"{_FILES[split]}-{target}.npz").is_file()

    def content_hash(self) -> str:
        """sha256 over the files that an import reads.

        Raises
        ------
        DataError
            If one of them is missing.
        """
        record = self.read_record()
        digest = hashlib.sha256()
        names = ("member.json", "network.keras", "history.csv", *(f"validation-{name}.npz" for name in record.targets))
        for name in names:
            try:
                with (self.path / name).open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except FileNotFoundError:
                raise missing_file(self.path / name) from None
        return digest.hexdigest()


@dataclass(frozen=True)
class RunFolder:
    """Everything that a run without ZenML and MLflow leaves behind."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.path / "config.yaml"

    @property
    def log(self) -> Path:
        """What the run said."""
        return self.path / "training.log"

    @property
    def trainings(self) -> Path:
        """Where the members are."""
        return self.path / "trainings"

    @property
    def checkpoints(self) -> Path:
        """Where trainings keep what they go on from."""
        return self.path / "checkpoints"

    def member(self, name: str) -> MemberFolder:
        """Where the training `name` (`ferkit.config.run_config.Training.name`) put its member."""
        return MemberFolder(self.trainings / name)

    def write_config(self, text: str) -> None:
        """Write the configuration."""
        write_file(self.config, text.encode())

    def read_record(self) -> RunRecord:
        """What the run was made from.

        Raises
        ------
        DataError
            If this is no folder of a run, or the record is damaged.
        """
        return read_record_file(self.path / "run.json", RunRecord)

    def write_record(self, record: RunRecord) -> None:
        """Write what the run was made from."""
        write_file(self.path / "run.json", record.model_dump_json(indent=1).encode())

    def write_ensemble(self, ensemble: Ensemble) -> None:
        """Write how the members vote."""
        write_file(self.path / "ensembles" / f"{ensemble.target}.json", ensemble.to_json().encode())

    def read_ensemble(self, target: Target) -> Ensemble:
        """How the members vote."""
        file = self.path / "ensembles" / f"{target}.json"
        try:
            return Ensemble.from_json(file.read_text())
        except FileNotFoundError:
            raise missing_file(file) from None

    def read_teacher(self, target: Target, key: str) -> Predictions | None:
        """What the ensemble of `key` says about the training pictures, None if it was not asked yet."""
        file = self._teacher(target, key)
        return read_predictions_file(file, target, "Training") if file.exists() else None

    def write_teacher(self, predictions: Predictions, key: str) -> None:
        """Write what the ensemble of `key` says about the training pictures."""
        write_predictions_file(self._teacher(predictions.target, key), predictions)

    def _teacher(self, target: Target, key: str) -> Path:
        return self.path / "ensembles" / f"teacher-{target}-{key[:16]}.npz"

    def write_evaluations(self, target: Target, table: pd.DataFrame) -> None:
        """Write the scores of every model of `target`."""
        write_file(self.path / "evaluations" / f"{target}.csv", table.to_csv(index=False).encode())

    def read_evaluations(self, target: Target) -> pd.DataFrame:
        """The scores of every model of `target`."""
        file = self.path / "evaluations" / f"{target}.csv"
        try:
            return pd.read_csv(file, float_precision="round_trip")
        except FileNotFoundError:
            raise missing_file(file) from None


Record = TypeVar("Record", bound=Settings)


def write_file(path: Path, content: bytes) -> None:
    """Write beside `path`, then move there: no reader sees half a file."""
    with written_whole(path) as part:
        part.write_bytes(content)


def write_predictions_file(path: Path, predictions: Predictions) -> None:
    """Store rows and probabilities as compressed .npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, row=predictions.row, probabilities=predictions.probabilities)
    write_file(path, buffer.getvalue())


def read_predictions_file(path: Path, target: Target, split: Split) -> Predictions:
    """What `write_predictions` stored.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Predictions(target, split, stored["row"], stored["probabilities"])
    except FileNotFoundError:
        raise missing_file(path) from None
    except (ValueError, KeyError, OSError, zipfile.BadZipFile, DataError) as error:
        raise damaged_file(path, error) from error


def read_record_file(path: Path, kind: type[Record]) -> Record:
    """A record of kind `kind` from JSON.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    try:
        return kind.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise missing_file(path) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise damaged_file(path, f"{where}: {first['msg']}" if where else first["msg"]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise damaged_file(path, error) from error


def missing_file(path: Path) -> DataError:
    """The error of a file that is not there."""
    return DataError(f"{path}: missing; run `python -m ferkit.standalone` on the same configuration and folder again.")


def damaged_file(path: Path, reason: object) -> DataError:
    """The error of a file that cannot be read."""
    return DataError(f"{path}: damaged ({' '.join(str(reason).split())}); copy it again, or delete it and train again.")
