"""What a report tells, before it is written."""

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
    """What a report tells.

    Attributes
    ----------
    config
        The configuration of the run as YAML.
    seed
        Of everything random.
    data_hash
        `FaceDataset.content_hash` of the data as it was read.
    commit
        Git commit of the code, if there is one.
    versions
        By name of the library.
    stages
        The data after each step, in order, by what the step did; the first one is the data as it was read.
    expectations
        One line an expectation of the validation; a column ``passed`` says how it went.
    quarantined
        One line a row that validation took out.
    manifest
        One line a picture that cleaning found: ``row``, ``split``, ``score``, ``reason``, ``dropped``.
    training_sets
        After balancing.
    histories
        Of each training, by target and name of the model; the targets of a joint one as ``fer+ferplus``.
    ensembles
        The weights that PublicTest chose.
    evaluations
        Of every model and ensemble, in the order of the tables.
    settings
        What the models were judged with.
    students
        Names of the models that learned from an ensemble.
    selection
        Which pictures of PublicTest chose.
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
        """The name of a model with what sets it apart from a member that learned one target."""
        kind = " ".join(word for word, names in (("joint", self.joint), ("student", self.students)) if model in names)
        return f"{model} ({kind})" if kind else model
