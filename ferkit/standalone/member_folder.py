"""The files of one training in the folder of a run, see `ferkit.standalone.folder`."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ferkit.data.labels import Split, Target
from ferkit.errors import DataError
from ferkit.files import write_file
from ferkit.models.predictions import Predictions
from ferkit.standalone.records import MemberRecord
from ferkit.standalone.stored import (
    damaged_file,
    missing_file,
    read_predictions_file,
    read_record_file,
    write_predictions_file,
)

__all__ = ["MemberFolder"]

_FILES: dict[Split, str] = {"PublicTest": "validation", "PrivateTest": "test"}


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
            history = pd.read_csv(file)
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
        """The predictions of the member for the pictures of `split`."""
        return read_predictions_file(self.path / f"{_FILES[split]}-{target}.npz", target, split)

    def write_predictions(self, predictions: Predictions) -> None:
        """Write the predictions of the member for the pictures of a split."""
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
