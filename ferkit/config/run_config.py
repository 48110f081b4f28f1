"""The run configuration: one YAML file, checked whole before anything starts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, ValidationError, field_validator, model_validator

from ferkit.backbones import BackboneSettings
from ferkit.config.effects import settings_without_effect
from ferkit.config.problems import problems
from ferkit.config.resources import ResourceRequest, Resources
from ferkit.config.yaml_text import write_yaml
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings
from ferkit.evaluation.evaluate import EvaluationSettings
from ferkit.models.ensemble import EnsembleSettings
from ferkit.models.selection import SelectionSettings
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation
from ferkit.preparation.balancing import MAKES_PICTURES, BalancingSettings
from ferkit.preparation.cleaning import CleaningSettings
from ferkit.preparation.validation_settings import ValidationSettings
from ferkit.promotion.settings import RegistrySettings
from ferkit.settings import Settings
from ferkit.sources import SourceSettings, streamed
from ferkit.training.distillation import DistillationSettings
from ferkit.training.settings import TrainingSettings

__all__ = ["BackboneEntry", "RunConfig", "Training"]


class BackboneEntry(BackboneSettings):
    """A backbone of a run.

    Attributes
    ----------
    training
        What this backbone does otherwise than the run's `training` section, with the same keys.
    resources
        What its fine-tuning needs, in place of ``resources.fine_tune``.
    targets
        Names of the targets it is trained for; all of the run's if empty.
    seed
        Backbones of one `seed` draw the same random numbers in one run, and others in a run of another seed. If empty,
        each training has numbers of its own.
    joint
        One training with a head for each of its targets, in place of one training a target. It follows the balancing
        of the first. FER+ labels are further annotation for FER: say so beside a number that they helped to reach.
    teacher
        ``ensemble``: a student, trained after the ensemble on its predictions for Training, see `distillation`. It has
        no vote. A file that ends in .npz: a member that is taught by the probabilities in it, such as those of an
        earlier vote (`ferkit.training.teacher_file`); it votes as every member does.
    """

    training: dict[str, Any] = Field(default_factory=dict)
    resources: ResourceRequest | None = None
    targets: tuple[str, ...] | None = None
    seed: int | None = Field(None, ge=0)
    joint: bool = False
    teacher: Literal["ensemble"] | Path | None = None

    @field_validator("teacher")
    @classmethod
    def _is_a_teacher(cls, teacher: Path | str | None) -> Path | str | None:
        if isinstance(teacher, Path) and teacher.suffix != ".npz":
            raise ValueError(f"{str(teacher)!r}: expected 'ensemble', or a file of answers that ends in .npz.")
        return teacher

    @property
    def is_student(self) -> bool:
        """Whether it learns from the run's own ensemble, and so is trained after it and has no vote."""
        return self.teacher == "ensemble"

    @property
    def teacher_file(self) -> Path | None:
        """The file of answers that it is taught by."""
        return self.teacher if isinstance(self.teacher, Path) else None

    @property
    def backbone(self) -> BackboneSettings:
        """The network alone."""
        return BackboneSettings(**{name: getattr(self, name) for name in BackboneSettings.model_fields})


@dataclass(frozen=True)
class Training:
    """One training of a run: a backbone, and the targets that it has heads for."""

    entry: BackboneEntry
    targets: tuple[TargetSettings, ...]

    @property
    def label(self) -> str:
        """Name of the network in the run: the alias of its backbone, or else the backbone's own name."""
        return self.entry.label

    @property
    def names(self) -> tuple[Target, ...]:
        """Names of the targets."""
        return tuple(target.name for target in self.targets)

    @property
    def name(self) -> str:
        """What artifacts, folders and MLflow's runs are called after: ``fer+ferplus-fernet``."""
        return f"{'+'.join(self.names)}-{self.label}"

    @property
    def member(self) -> str:
        """What steps of the pipeline are called after, which names of jobs may hold: ``fer_ferplus_fernet``."""
        return "_".join((*self.names, self.label))

    @property
    def step(self) -> str:
        """The step of the pipeline that trains it: ``fine_tune_fer_ferplus_fernet``."""
        return f"fine_tune_{self.member}"


class RunConfig(Settings):
    """Everything that one run does.

    Attributes
    ----------
    name
        Name of the run.
    experiment
        Name of the MLflow experiment that the run belongs to.
    seed
        Of everything random; the same seed and the same data give the same run.
    data, validation, cleaning, balancing, targets, backbones, training, selection, distillation, ensemble, prediction,
    evaluation, registry, resources
        The sections; each is described where it is read, in ``ferkit``.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    experiment: str = "ferkit"
    seed: int = Field(0, ge=0)
    data: SourceSettings
    validation: ValidationSettings = ValidationSettings()
    cleaning: CleaningSettings = CleaningSettings()
    balancing: BalancingSettings = BalancingSettings()
    targets: tuple[TargetSettings, ...] = Field((TargetSettings(),), min_length=1)
    backbones: tuple[BackboneEntry, ...] = Field(min_length=1)
    training: TrainingSettings = TrainingSettings()
    selection: SelectionSettings = SelectionSettings()
    distillation: DistillationSettings = DistillationSettings()
    ensemble: EnsembleSettings = EnsembleSettings()
    prediction: TestTimeAugmentation = NO_TTA
    evaluation: EvaluationSettings = EvaluationSettings()
    registry: RegistrySettings = RegistrySettings()
    resources: Resources = Resources()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [target.name for target in self.targets]
        if len(set(names)) < len(names):
            raise ValueError(f"targets {names}: each may occur once.")
        labels = [entry.label for entry in self.backbones]
        if twice := {label for label in labels if labels.count(label) > 1}:
            raise ValueError(f"backbones {sorted(twice)} occur twice: give each an alias of its own.")
        if "ensemble" in labels:
            raise ValueError("a backbone cannot be called 'ensemble': the report calls the combination so.")
        for entry in self.backbones:
            if unknown := set(entry.targets or ()) - set(names):
                raise ValueError(f"backbone {entry.label}: targets {sorted(unknown)} are not among this run's {names}.")
            if entry.joint:
                self._can_be_joint(entry)
            self.training_of(entry)
        self._batch_norm_has_effect()
        self._can_be_streamed()
        for name in names:
            self._has_members(name)
        steps = [training.member for training in self.trained()]
        if twice := {step for step in steps if steps.count(step) > 1}:
            raise ValueError(f"two trainings would be called {sorted(twice)}: give one backbone another alias.")
        if useless := settings_without_effect(self):
            raise ValueError(" ".join(useless))
        return self

    def _batch_norm_has_effect(self) -> None:
        """Whether `batch_norm` reaches a network that starts with statistics of its own."""
        setting = self.training.batch_norm
        if setting != TrainingSettings().batch_norm and not any(entry.starts_trained for entry in self.backbones):
            raise ValueError(
                f"training.batch_norm {setting}: every backbone starts with random weights, whose BatchNorm always "
                "learns; drop the setting."
            )
        for entry in self.backbones:
            if "batch_norm" in entry.training and not entry.starts_trained:
                raise ValueError(
                    f"backbones.{entry.label}.training.batch_norm {entry.training['batch_norm']}: {entry.label} starts "
                    "with random weights, whose BatchNorm always learns; drop the setting."
                )

    def _can_be_joint(self, entry: BackboneEntry) -> None:
        targets = [target.name for target in self.targets_of(entry)]
        if len(targets) < 2:
            raise ValueError(f"backbone {entry.label}: joint training needs two targets, it has {targets}.")
        if self.balancing.method in MAKES_PICTURES:
            raise ValueError(
                f"backbone {entry.label}: balancing.method {self.balancing.method} makes pictures, which have a label "
                f"for one target alone; joint training of {targets} needs none, "
                "random_over_sampler or weighted_sampling."
            )

    def _can_be_streamed(self) -> None:
        """Whether nothing needs the pictures of a streamed source in memory."""
        data = streamed(self.data)
        if data is not None and self.balancing.method in MAKES_PICTURES:
            raise ValueError(
                f"balancing.method {self.balancing.method} makes pictures in memory, data.source {data.source} streams "
                "them: use weighted_sampling, random_over_sampler or none."
            )

    def _has_members(self, target: str) -> None:
        """Whether there is somebody to vote, and nobody else is named."""
        members, students = ([entry.label for entry in each(target)] for each in (self.members, self.students))
        if students and not members:
            raise ValueError(f"target {target}: {students} learn from its ensemble, but no other backbone is in it.")
        if not members:
            raise ValueError(f"target {target}: no backbone is trained for it.")
        voting = set(self.ensemble.members or ())
        if taught := voting & set(students):
            raise ValueError(f"ensemble.members {sorted(taught)} learn from the ensemble and have no vote in it.")
        if missing := voting - set(members):
            raise ValueError(f"ensemble.members {sorted(missing)} are not among the backbones of {target}: {members}.")

    def members(self, target: str) -> tuple[BackboneEntry, ...]:
        """The backbones that are trained for `target` and vote on it."""
        return tuple(entry for entry in self._for(target) if not entry.is_student)

    def students(self, target: str) -> tuple[BackboneEntry, ...]:
        """The backbones that learn `target` from its ensemble."""
        return tuple(entry for entry in self._for(target) if entry.is_student)

    def targets_of(self, entry: BackboneEntry) -> tuple[TargetSettings, ...]:
        """The targets that `entry` is trained for."""
        return tuple(each for each in self.targets if entry.targets is None or each.name in entry.targets)

    def trained(self) -> list[Training]:
        """Each training, members before students, in the order in which they run."""
        found: dict[tuple[str, ...], Training] = {}
        for pick in (self.members, self.students):
            for target in self.targets:
                for entry in pick(target.name):
                    training = Training(entry, self.targets_of(entry) if entry.joint else (target,))
                    found.setdefault((entry.label, *training.names), training)
        return list(found.values())

    def _for(self, target: str) -> tuple[BackboneEntry, ...]:
        return tuple(entry for entry in self.backbones if entry.targets is None or target in entry.targets)

    def training_of(self, entry: BackboneEntry) -> TrainingSettings:
        """The run's training settings with what `entry` does otherwise."""
        try:
            return TrainingSettings.model_validate(_merge(self.training.model_dump(), entry.training))
        except ValidationError as error:
            raise ValueError(
                "; ".join(problems(error, TrainingSettings, f"backbones.{entry.label}.training."))
            ) from error

    def resources_of(self, training: Training) -> ResourceRequest:
        """What the fine-tuning of `training` needs: its backbone's own, if that has some, or the run's."""
        return training.entry.resources or self.resources.fine_tune

    def seed_of(self, training: Training) -> int:
        """The seed of `training`, below 2^31: a hash, so that no two runs of neighbouring seeds share a network.

        Of the run's seed and the backbone's, if that has one, or else the name of the training.
        """
        own = training.entry.seed
        words = [1, own] if own is not None else [0, *hashlib.sha256(training.name.encode()).digest()]
        # One bit less than the word has, so that what is counted up from it is a seed, too.
        return int(np.random.SeedSequence([self.seed, *words]).generate_state(1)[0] >> 1)

    def unnamed(self) -> Self:
        """The same run without what changes nothing that it makes: its name, experiment and resources."""
        backbones = tuple(entry.model_copy(update={"resources": None}) for entry in self.backbones)
        experiment = type(self).model_fields["experiment"].default
        standard = {"name": "run", "experiment": experiment, "resources": Resources()}
        return self.model_copy(update={**standard, "backbones": backbones})

    def to_yaml(self) -> str:
        """The configuration with every default written out."""
        return write_yaml(self.model_dump(mode="json", by_alias=True))


def _merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
