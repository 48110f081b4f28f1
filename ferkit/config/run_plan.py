"""Who is trained in a run, who votes, who teaches and who is judged, and after whom.

The pipeline (`pipelines.train`) makes steps of a plan, a run without ZenML (`ferkit.standalone.run`) works through it
at once; neither decides any of it.
"""

from dataclasses import dataclass

from ferkit.config.run_config import RunConfig, Training
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings

__all__ = ["ENSEMBLE", "RunPlan", "TargetPlan"]

# What the combination of the voters is called among the models of a target.
ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class TargetPlan:
    """What a run does about one target.

    Attributes
    ----------
    target
        The target.
    members
        Trained for it before there is an ensemble.
    voters
        Those of `members` whose predictions on PublicTest the ensemble is found from. Where there are students, their
        vote on Training teaches these.
    students
        Trained for it after the ensemble, on what that predicts for Training.
    """

    target: TargetSettings
    members: tuple[Training, ...]
    voters: tuple[Training, ...]
    students: tuple[Training, ...]

    @property
    def trainings(self) -> tuple[Training, ...]:
        """Every training with a head for the target."""
        return (*self.members, *self.students)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that are judged, in the order of the tables."""
        return (*(each.label for each in self.members), ENSEMBLE, *(each.label for each in self.students))


@dataclass(frozen=True)
class RunPlan:
    """What a run does, in this order: train members, find ensembles, train students, judge every model.

    Attributes
    ----------
    members
        Trainings that need no ensemble: on the labels, or on the stored answers of an earlier teacher.
    targets
        What is done about each target.
    students
        Trainings that the ensembles of their targets teach.
    """

    members: tuple[Training, ...]
    targets: tuple[TargetPlan, ...]
    students: tuple[Training, ...]

    @classmethod
    def of(cls, config: RunConfig) -> "RunPlan":
        """The plan of a run.

        Examples
        --------
        >>> backbones = [{"name": "fernet"}, {"name": "fernet_lite", "alias": "small", "teacher": "ensemble"}]
        >>> config = RunConfig.model_validate({"name": "x", "data": {"source": "synthetic"}, "backbones": backbones})
        >>> plan = RunPlan.of(config)
        >>> [each.name for each in plan.members], [each.name for each in plan.students], plan.targets[0].models
        (['fer-fernet'], ['fer-small'], ('fernet', 'ensemble', 'small'))
        """
        trained = config.trained()
        place = {entry.label: at for at, entry in enumerate(config.backbones)}
        members = tuple(each for each in trained if not each.entry.is_student)
        students = tuple(each for each in trained if each.entry.is_student)

        def of_target(target: TargetSettings, trainings: tuple[Training, ...]) -> tuple[Training, ...]:
            # As a person wrote them: a network with several heads is trained before others of its targets.
            found = (each for each in trainings if target in each.targets)
            return tuple(sorted(found, key=lambda each: place[each.label]))

        named = config.ensemble.members
        targets = []
        for target in config.targets:
            own = of_target(target, members)
            voters = tuple(each for each in own if named is None or each.label in named)
            targets.append(TargetPlan(target, own, voters, of_target(target, students)))
        return cls(members, tuple(targets), students)

    @property
    def trainings(self) -> tuple[Training, ...]:
        """Every training, in the order in which they run."""
        return (*self.members, *self.students)

    @property
    def teachers(self) -> tuple[Training, ...]:
        """Trainings whose networks predict Training, for the students of one target or more."""
        names = {each.name for plan in self.targets if plan.students for each in plan.voters}
        return tuple(each for each in self.members if each.name in names)

    @property
    def judged(self) -> tuple[tuple[Target, str], ...]:
        """Target and name of each model that is judged, in the order of the tables."""
        return tuple((plan.target.name, model) for plan in self.targets for model in plan.models)

    def about(self, target: Target) -> TargetPlan:
        """The part of the plan about the target called `target`."""
        return next(plan for plan in self.targets if plan.target.name == target)

    def targets_of(self, training: Training) -> tuple[TargetPlan, ...]:
        """The parts of the plan about the targets that `training` has heads for."""
        return tuple(plan for plan in self.targets if plan.target in training.targets)
