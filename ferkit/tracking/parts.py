"""Which step wrote what into which run of MLflow, so that a later run can have it, too, when the step is cached.

A step tags the run that it writes to with its own id. A step that is taken from the cache writes nothing: what the one
that was executed wrote is found by that id, in its run or in a copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["MEMBER_TAG", "NOTE_TAG", "Part", "inherited_tags", "part_of", "step_tag", "tags_of"]

# Of the run of a network or of an ensemble: target and name of the model.
MEMBER_TAG = "ferkit.member"
# Where MLflow keeps the description of a run.
NOTE_TAG = "mlflow.note.content"
# Followed by the name of the part; the value is the id of the step that was executed.
_STEP_TAG = "ferkit.step."


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one kind of step writes, of which a run that has it from the cache gets a copy.

    Attributes
    ----------
    name
        Name of the part.
    steps
        Beginnings of the names of the steps.
    metrics, params
        What the names of its metrics and of its parameters begin with; of a training, of which every name is
        one that begins like none of the others, nothing.
    of_member
        Whether it is written to the run of a network, in place of that of the pipeline.
    """

    name: str
    steps: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    of_member: bool = True

    def has_metric(self, name: str) -> bool:
        """Whether a copy has this metric of the run."""
        return name.startswith(self.metrics) if self.metrics else not name.startswith(_METRICS_OF_OTHERS)

    def has_param(self, name: str) -> bool:
        """Whether a copy has this parameter of the run."""
        return name.startswith(self.params) if self.params else self.name == "training" and not name.startswith(_VOTE)


_VOTE = "ensemble."
# Each subset has some twenty numbers, which stay with the run that was executed; so does what a machine did.
_METRICS_OF_OTHERS = ("public_", "private_", "weight/", "PublicTest/", "PrivateTest/", "system/")
_PARTS = (
    Part(name="validate", steps=("validate",), metrics=("validation/",), of_member=False),
    Part(name="drop_non_faces", steps=("drop_non_faces",), metrics=("cleaning/",), of_member=False),
    Part(name="training", steps=("fine_tune_", "import_")),
    Part(name="ensemble", steps=("ensemble_",), metrics=("weight/",), params=(_VOTE,)),
    Part(name="evaluation", steps=("evaluate_",), metrics=("public_", "private_")),
)


def part_of(step: str) -> Part | None:
    """The part that the step of this name writes; None if it writes nothing that a later run needs."""
    return next((part for part in _PARTS if step.startswith(part.steps)), None)


def inherited_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Those of the tags of a pipeline's run that its children have, too."""
    return {key: value for key, value in tags.items() if key.startswith("ferkit.") and not key.startswith(_STEP_TAG)}


def step_tag(part: Part) -> str:
    """The tag that says which step wrote `part`."""
    return f"{_STEP_TAG}{part.name}"


def tags_of(step: str, step_id: str) -> Mapping[str, str]:
    """The tag that the step of this name and id leaves on the run that it writes to."""
    part = part_of(step)
    return {step_tag(part): step_id} if part else {}
