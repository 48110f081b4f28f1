"""What a run without ZenML and MLflow notes down: of itself in ``run.json``, of each network in ``member.json``."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from ferkit.backbones import BackboneSettings
from ferkit.data.labels import Target
from ferkit.environment import Environment
from ferkit.models.selection import SelectionSettings
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.settings import Settings
from ferkit.training.distillation import DistillationSettings
from ferkit.training.settings import TrainingSettings, with_phases

__all__ = ["ALL_PICTURES", "MemberRecord", "RunRecord"]

# How every network was selected before there was a choice.
ALL_PICTURES = SelectionSettings(duplicates="keep")


class RunRecord(Settings):
    """What a run was made from.

    Attributes
    ----------
    name, seed
        Of the configuration.
    fingerprint
        Hash of the data's files, see `ferkit.sources.fingerprint`.
    data_hash
        Hash of the faces as they were read.
    environment
        Of the process that last wrote here; each member has its own.
    seconds
        Spent in all processes that worked on this folder.
    pictures_per_second
        Of each training that is finished, by the name of its folder.
    complete
        Whether every training, ensemble and evaluation is there.
    """

    name: str
    seed: int
    fingerprint: str
    data_hash: str
    environment: Environment
    seconds: float = 0.0
    pictures_per_second: dict[str, float] = Field(default_factory=dict)
    complete: bool = False


class MemberRecord(Settings):
    """What a member is.

    Attributes
    ----------
    label
        What the run calls it.
    targets
        What it was trained for, one head each.
    key
        Hash of everything that it was made from; a member with another key is trained again.
    backbone, training, seed
        The settings that it was trained with.
    training_sets
        Hash of the balanced training split, by target.
    distillation
        How it learned from the ensemble, None if it did not.
    numbers
        As `ferkit.training.member.Member.numbers`.
    environment
        Where it was trained.
    precision
        Keras' policy in its training, such as ``mixed_bfloat16``.
    prediction
        The views of each picture that its predictions are averaged over.
    selection
        Which pictures of PublicTest chose its epoch.
    seconds
        From the first epoch, or the one it went on from, to the last.
    """

    label: str
    targets: tuple[Target, ...]
    key: str
    backbone: BackboneSettings
    training: TrainingSettings
    seed: int
    training_sets: dict[Target, str]
    distillation: DistillationSettings | None = None
    numbers: dict[str, float]
    environment: Environment
    precision: str
    prediction: TestTimeAugmentation
    selection: SelectionSettings = ALL_PICTURES
    seconds: float

    @field_validator("training", mode="before")
    @classmethod
    def _of_an_older_version(cls, training: Any) -> Any:
        return with_phases(training) if isinstance(training, Mapping) else training
