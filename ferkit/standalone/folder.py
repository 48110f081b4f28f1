"""The folder that ``python -m ferkit.standalone`` writes and ``ferkit import-run`` reads.

::

    config.yaml                               the run configuration, every default written out
    run.json                                  RunRecord
    training.log
    left_out.csv                              pictures that are damaged or, where faces are cut out, have none; if any
    trainings/TARGETS-LABEL/network.keras     TARGETS: names joined by "+"
                           /history.csv       one line an epoch
                           /member.json       MemberRecord; written last: a member without it is not finished
                           /validation-TARGET.npz, test-TARGET.npz
    checkpoints/                              trainings that are not finished
    ensembles/TARGET.json                     Ensemble
             /teacher-TARGET-KEY.npz          its predictions for the training pictures, for students
    evaluations/TARGET.csv                    one line a model and set of pictures

Each file is written beside its place and then moved there, so that a machine that is cut off leaves no half of one.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ferkit.data.labels import Target
from ferkit.files import write_file
from ferkit.models.ensemble import Ensemble
from ferkit.models.predictions import Predictions
from ferkit.standalone.member_folder import MemberFolder
from ferkit.standalone.records import RunRecord
from ferkit.standalone.stored import missing_file, read_predictions_file, read_record_file, write_predictions_file

__all__ = ["RunFolder"]


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
        """The log of the run."""
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

    def write_left_out(self, table: pd.DataFrame) -> None:
        """Write which pictures were left out, and why, unless there are none."""
        if len(table):
            write_file(self.path / "left_out.csv", table.to_csv(index=False).encode())

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
        """Predictions of the ensemble of `key` for the training pictures, None if there are none yet."""
        file = self._teacher(target, key)
        return read_predictions_file(file, target, "Training") if file.exists() else None

    def write_teacher(self, predictions: Predictions, key: str) -> None:
        """Write the predictions of the ensemble of `key` for the training pictures."""
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
            return pd.read_csv(file)
        except FileNotFoundError:
            raise missing_file(file) from None
