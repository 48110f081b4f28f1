"""A member that was trained elsewhere (`ferkit.standalone.run`) takes the place of training it here."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferkit.backbones import BackboneSettings
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings, labelled
from ferkit.data.training_set import TrainingSet
from ferkit.errors import DataError
from ferkit.models.face_model import FaceModel
from ferkit.models.selection import SelectionSettings
from ferkit.settings import Settings
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.member_folder import MemberFolder
from ferkit.standalone.records import MemberRecord
from ferkit.training.member import Member
from ferkit.training.settings import TrainingSettings

__all__ = ["MemberImport", "check_member", "read_member"]

_LOG = logging.getLogger(__name__)


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


def read_member(
    folder: MemberFolder,
    faces: FaceDataset,
    training_sets: Mapping[Target, TrainingSet],
    targets: Sequence[TargetSettings],
    backbone: BackboneSettings,
    settings: TrainingSettings,
    seed: int,
    selection: SelectionSettings,
) -> tuple[Member, MemberRecord]:
    """Read what `ferkit.training.member.train_member` would have returned, were the member trained here.

    Parameters
    ----------
    folder
        Of the member.
    faces, training_sets, targets, backbone, settings, seed, selection
        What `train_member` would be called with; the member has to be made from the same.

    Raises
    ------
    DataError
        As `check_member` does, and if the member predicts other pictures of PublicTest than `faces` has.
    """
    record = check_member(folder, targets, backbone, settings, seed, selection)
    for name, training_set in training_sets.items():
        if record.training_sets.get(name) != training_set.content_hash():
            _LOG.warning(
                "%s learned %s from a training set with the hash %s, this machine makes %s of the same data and "
                "settings: versions of numpy, scikit-learn or imbalanced-learn differ.",
                record.label, name, record.training_sets.get(name), training_set.content_hash(),
            )  # fmt: skip
    for target in targets:
        predictions = folder.read_predictions(target.name, "PublicTest")
        pictures, _ = labelled(faces.of_split("PublicTest"), target)
        if not np.array_equal(predictions.row, pictures.row):
            raise DataError(
                f"{folder.path}: predicts {len(predictions)} pictures of PublicTest for {target.name}, "
                f"this run has {len(pictures)}, or others: the data was cleaned or labelled otherwise."
            )
    models = {target.name: FaceModel(record.label, target.name, folder.network) for target in targets}
    return Member(models, folder.read_history(), record.numbers), record


def check_member(
    folder: MemberFolder,
    targets: Sequence[TargetSettings],
    backbone: BackboneSettings,
    settings: TrainingSettings,
    seed: int,
    selection: SelectionSettings,
) -> MemberRecord:
    """The record of a member whose files are whole and that was made from these settings.

    Raises
    ------
    DataError
        If a file is missing or damaged, or the settings are others.
    """
    record = folder.check()
    expected = {
        "seed": seed,
        "targets": [target.name for target in targets],
        "backbone": backbone.model_dump(mode="json"),
        "training": settings.model_dump(mode="json"),
        "selection": selection.model_dump(mode="json"),
    }
    found = record.model_dump(mode="json", include=set(expected))
    if differences := _differences(found, expected):
        raise DataError(
            f"{folder.path}: trained with {'; '.join(differences)}. Import it with the settings that it was trained "
            "with, or train it again."
        )
    return record


def _differences(found: Mapping[str, Any], expected: Mapping[str, Any], prefix: str = "") -> list[str]:
    """A text for each value in which `found` differs from `expected`, nested mappings included."""
    texts: list[str] = []
    for key in sorted({*found, *expected}):
        ours, theirs = expected.get(key), found.get(key)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            texts += _differences(theirs, ours, f"{prefix}{key}.")
        elif ours != theirs:
            texts.append(f"{prefix}{key} {theirs}, this run has {ours}")
    return texts
