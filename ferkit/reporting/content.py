"""The content of a report, before it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.training_set import TrainingSet
from ferkit.evaluation.evaluate import Evaluation
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.models.ensemble import Ensemble
from ferkit.models.selection import NO_DUPLICATES, SelectionSettings

__all__ = ["ReportContent"]


@dataclass(frozen=True, eq=False)
class ReportContent:
    """The content of the report of a run: data, models, settings and versions.

    Attributes
    ----------
    config
        The configuration of the run as YAML.
    seed
        Seed of the run.
    data_hash
        `FaceDataset.content_hash` of the data as it was read.
    commit
        Git commit of the code, if there is one.
    versions
        Version of each library by its name.
    stages
        The data after each step, in order, by what the step did; the first one is the data as it was read.
    expectations
        One line an expectation of the validation; a column ``passed`` says how it went.
    quarantined
        One line a row that validation took out.
    manifest
        One line a picture that cleaning found: ``row``, ``split``, ``score``, ``reason``, ``dropped``.
    training_sets
        The training sets after balancing, by target.
    histories
        Metrics of each epoch of each training, by target and name of the model; a joint one's target is
        ``fer+ferplus``.
    ensembles
        Members and weights of each target's vote.
    evaluations
        Evaluations of every model and ensemble, in the order of the tables.
    settings
        Settings of the evaluation.
    students
        Names of the models that learned from an ensemble.
    selection
        Which pictures of PublicTest chose epochs, votes and temperatures.
    """

    config: str
    seed: int
    data_hash: str
    commit: str | None
    versions: Mapping[str, str]
    stages: Mapping[str, FaceDataset]
    expectations: pd.DataFrame
    quarantined: pd.DataFrame
    manifest: pd.DataFrame
    training_sets: Mapping[Target, TrainingSet]
    histories: Mapping[tuple[str, str], pd.DataFrame]
    ensembles: Mapping[Target, Ensemble]
    evaluations: Sequence[Evaluation]
    settings: EvaluationSettings
    students: frozenset[str] = frozenset()
    selection: SelectionSettings = NO_DUPLICATES

    @property
    def joint(self) -> frozenset[str]:
        """Names of the models that learned several targets together."""
        return frozenset(model for targets, model in self.histories if "+" in targets)

    def called(self, model: str) -> str:
        """The name of a model, followed by ``(joint)`` or ``(student)`` where it is one."""
        kind = " ".join(word for word, names in (("joint", self.joint), ("student", self.students)) if model in names)
        return f"{model} ({kind})" if kind else model
