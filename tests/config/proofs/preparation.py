"""Settings of validation, cleaning, balancing, targets and selection, observed on drawn faces."""

import tempfile
from pathlib import Path

import numpy as np

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import DataError
from ferkit.models.selection import SelectionSettings, selection_pictures
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.preparation.cleaning import CleaningSettings, drop_non_faces
from ferkit.preparation.validation import validate
from ferkit.preparation.validation_settings import ValidationSettings
from tests.config.proofs.changes import different
from tests.config.proofs.sources import drawn
from tests.training.test_fine_tune import marked_faces


def of_validation(**settings):
    """What passes, and how many rows are put aside."""
    loose = {"minimum_training": 10, "maximum_copies": 1, "maximum_constant": 1, "minimum_agreement": 0}
    faces = drawn()
    votes = faces.votes.copy()
    votes[:30] = 0
    blind = FaceDataset(faces.images, faces.label, faces.split, faces.row, votes)
    try:
        done = validate(blind, ValidationSettings(**{**loose, "maximum_without_votes": 1, **settings}))
    except DataError as error:
        return str(error)
    return done.expectations["passed"].tolist(), len(done.quarantined)


def of_cleaning(**settings):
    return drop_non_faces(drawn(), CleaningSettings(**settings)).faces.content_hash()


def with_a_manifest():
    """The manifest of `cleaning.exclude` names the first face, and no other is dropped."""
    faces = drawn()
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "mine.csv"
        manifest.write_text(f"row,sha256\n{faces.row[0]},{faces.picture_hashes()[0]}\n")
        kept = drop_non_faces(faces, CleaningSettings(exclude=manifest)).faces
    return kept.content_hash() == faces.take(np.arange(1, len(faces))).content_hash()


def of_balancing(**settings):
    settings = {"method": "random_over_sampler", **settings}
    return oversample(drawn(), TargetSettings(), BalancingSettings(**settings), 0).content_hash()


def of_minority(method, **settings):
    faces = marked_faces()
    kept = np.flatnonzero((faces.label != 1) | (np.arange(len(faces)) % 2 == 0))
    return oversample(
        faces.take(kept), TargetSettings(), BalancingSettings(method=method, **settings), 0
    ).content_hash()


def of_targets(**settings):
    target = TargetSettings(**{"name": "ferplus", **settings})
    balanced = oversample(drawn(), target, BalancingSettings(), 0)
    return balanced.content_hash(), len(labelled(drawn(), target)[0])


def of_selection(**settings):
    faces = marked_faces()
    images = faces.images.copy()
    images[faces.in_split("PublicTest")] = images[: faces.in_split("PublicTest").sum()]
    images[np.flatnonzero(faces.in_split("PublicTest"))[0]] = 7
    copies = type(faces)(images, faces.label, faces.split, faces.row)
    return selection_pictures(copies, SelectionSettings(**settings)).row.tolist()


# By setting: a proof, or a test that sets it, in the file named.
EFFECTS = {
    "validation.minimum_training": different(of_validation, minimum_training=170),
    "validation.minimum_evaluation": different(of_validation, minimum_evaluation=21),
    "validation.minimum_class": different(of_validation, minimum_class=100),
    "validation.maximum_constant": different(of_validation, maximum_constant=0),
    "validation.maximum_copies": different(of_validation, maximum_copies=0),
    "validation.maximum_without_votes": different(of_validation, maximum_without_votes=0),
    "validation.minimum_agreement": different(of_validation, minimum_agreement=1),
    "validation.constant": different(of_validation, constant="keep"),
    "validation.copies_in_training": different(of_validation, copies_in_training="quarantine"),
    "validation.copies_across_splits": different(of_validation, copies_across_splits="quarantine"),
    "validation.conflicting_labels": different(of_validation, conflicting_labels="quarantine"),
    "cleaning.pixels": different(of_cleaning, pixels=False),
    "cleaning.threshold": different(of_cleaning, threshold=0.9999),
    "cleaning.ferplus_votes": different(of_cleaning, ferplus_votes=True, nf_votes=1),
    "cleaning.nf_votes": different(of_cleaning, {"pixels": False, "ferplus_votes": True}, nf_votes=9),
    "cleaning.splits": different(of_cleaning, splits=("Training", "PublicTest")),
    "cleaning.exclude": with_a_manifest,
    "balancing.method": different(of_balancing, method="none"),
    "balancing.class_weight": different(of_balancing, class_weight=True),
    "balancing.ratio": different(of_balancing, ratio=0.5),
    "balancing.neighbours": different(of_minority, {"method": "smote"}, neighbours=2),
    "balancing.disgust_factor": different(of_minority, {"method": "augment_disgust"}, disgust_factor=2),
    "targets.name": lambda: of_targets() != of_targets(name="fer"),
    "targets.classes": different(of_targets, {"name": "mine"}, classes=FER_EMOTIONS[::-1]),
    "targets.map": different(of_targets, {"name": "mine"}, map={"sad": None}),
    "targets.train_on": different(of_targets, train_on="majority"),
    "targets.protocol": different(of_targets, protocol="argmax"),
    "targets.votes": different(of_targets, {"name": "fer"}, votes=0.3),
    "selection.duplicates": different(of_selection, duplicates="keep"),
}  # fmt: skip
