"""Settings of the gate between a model and its use, and of what a run does with its models."""

from typing import Literal

from pydantic import ConfigDict, Field

from ferkit.data.labels import Target
from ferkit.settings import Settings

__all__ = ["ChangeSettings", "FloorSettings", "GateSettings", "RegistrySettings"]


class FloorSettings(Settings):
    """Least scores that every model has to reach, for each of its targets, on PublicTest.

    Attributes
    ----------
    accuracy, macro_f1
        At least.
    recall
        Recall of each class, at least.
    recall_pictures
        A class with fewer pictures than this is not held to `recall`: its recall is chance.
    expected_calibration_error
        At most, see `ferkit.evaluation.reliability`.
    latency_ms
        Milliseconds for one face, median, on the machine that judges; at most.
    """

    accuracy: float = Field(0.5, ge=0, le=1)
    macro_f1: float = Field(0.4, ge=0, le=1)
    recall: float = Field(0.1, ge=0, le=1)
    recall_pictures: int = Field(20, ge=1)
    expected_calibration_error: float = Field(0.1, ge=0, le=1)
    latency_ms: float = Field(1000.0, gt=0)


class ChangeSettings(Settings):
    """How a challenger has to differ from the champion. Without a champion only the floors count.

    Attributes
    ----------
    target
        For which `require` has to hold; the challenger's first if empty. For no other target may it be worse by more
        than chance explains, nor by the other metric.
    metric
        ``accuracy``, tested with McNemar's mid-p test, or ``macro_f1``, tested with a paired bootstrap.
    require
        ``better``: higher by at least `least`, and the test says that it is no chance. ``not_worse``: the paired
        bootstrap says that it is lower by no more than `margin`.
    least
        Least difference for ``better``.
    margin
        Largest loss for ``not_worse``.
    alpha
        Error of the tests: how often an equally good model passes for better, or for worse.
    may_lack
        Targets of the champion that the challenger need not answer for, or may answer for in other classes. Any other
        that gets lost refuses the challenger: whoever asks the model in use for it would get no answer.
    """

    target: Target | None = None
    metric: Literal["accuracy", "macro_f1"] = "accuracy"
    require: Literal["better", "not_worse"] = "better"
    least: float = Field(0.0, ge=0, le=1)
    margin: float = Field(0.01, ge=0, le=1)
    alpha: float = Field(0.05, gt=0, lt=0.5)
    may_lack: tuple[Target, ...] = ()


class GateSettings(Settings):
    """Settings of the gate that a model has to pass before it is promoted.

    Attributes
    ----------
    floors
        What it has to reach by itself.
    change
        How it has to differ from the champion.
    """

    floors: FloorSettings = FloorSettings()
    change: ChangeSettings = ChangeSettings()


class RegistrySettings(Settings):
    """Settings of the registration and promotion of a run's models.

    Attributes
    ----------
    register
        Whether its ensemble becomes a version of the registered model ``ferkit``, with the alias ``challenger``.
    singles
        Whether each network becomes a version of ``ferkit-<label>`` as well.
    promote
        Whether the gate judges the challenger at the end of the run, and promotes it if it passes.
    gate
        What a challenger has to show, here and at `ferkit promote`.
    """

    # ZenML writes parameters down by field and not by alias.
    model_config = ConfigDict(populate_by_name=True)

    register_: bool = Field(default=True, alias="register")
    singles: bool = False
    promote: bool = False
    gate: GateSettings = GateSettings()
