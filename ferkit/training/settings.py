"""How a network is fine-tuned: the settings."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import to_json

from ferkit.settings import Settings
from ferkit.training.augmentation import AugmentationSettings
from ferkit.training.execution import ExecutionSettings
from ferkit.training.mixing import MixingSettings

__all__ = ["BatchNorm", "HeadPhaseSettings", "NetworkPhaseSettings", "PhaseSettings", "TrainingSettings", "with_phases"]

BatchNorm = Literal["frozen", "trainable", "everywhere"]


class PhaseSettings(Settings):
    """One phase of fine-tuning; the defaults are those of the first, in which the head learns alone.

    Attributes
    ----------
    epochs
        At most this many passes; 0 leaves the phase out.
    learning_rate
        Peak learning rate.
    schedule
        ``constant``; ``cosine``: down to zero at the last epoch (Loshchilov and Hutter, ICLR 2017, eq. 5, without
        restarts); ``plateau``: times `plateau_factor` after `plateau_patience` epochs without improvement, which have
        to be fewer than end the phase (`TrainingSettings.patience`) and than `epochs`.
    warmup_epochs
        Epochs, or a part of one, in which the rate rises linearly from zero.
    """

    epochs: int = Field(3, ge=0)
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    warmup_epochs: float = Field(0.0, ge=0)
    plateau_factor: float = Field(0.5, gt=0, lt=1)
    plateau_patience: int = Field(5, ge=1)


class HeadPhaseSettings(PhaseSettings):
    """The first phase of fine-tuning, in which the head learns alone.

    Attributes
    ----------
    augment
        Whether its pictures are changed and mixed at random, as `TrainingSettings` says of all. Where they are not, the
        frozen backbone is asked about each picture once, and not once an epoch, see `ferkit.backbones.features`.
    """

    augment: bool = True


class NetworkPhaseSettings(PhaseSettings):
    """The second phase of fine-tuning, with defaults of its own: a lower rate, which warms up and falls to zero.

    Attributes
    ----------
    layer_decay
        The deeper a layer of the backbone lies below the head, the slower it learns: its rate is that of the head times
        this to the power of its stage, counted from the top (`ferkit.backbones.layer_depths`). 1: all learn at one
        rate. After Clark et al., ELECTRA, ICLR 2020, section 3.1, and Bao et al., BEiT, ICLR 2022, section 3.
    """

    epochs: int = Field(20, ge=0)
    learning_rate: float = Field(1e-4, gt=0)
    schedule: Literal["constant", "cosine", "plateau"] = "cosine"
    warmup_epochs: float = Field(1.0, ge=0)
    layer_decay: float = Field(1.0, gt=0, le=1)


class TrainingSettings(Settings):
    """How each network of a run is fine-tuned; a backbone may override any of it.

    Attributes
    ----------
    head
        The first phase: the backbone is frozen, only the head learns. Left out for a network with random weights.
    network
        The second phase: the head and as much of the backbone as `unfreeze` says learn. The only one of a network with
        random weights.
    unfreeze
        How much of the backbone learns in the second phase, see `ferkit.backbones.set_trainable`; all of a network with
        random weights.
    batch_norm
        The backbone's BatchNorm layers in the second phase, see `ferkit.backbones.set_trainable`. Those of a network
        with random weights always learn: they have no statistics to keep.
    optimizer, momentum, weight_decay
        ``sgd`` is Nesterov's; `weight_decay` is decoupled (Loshchilov and Hutter, ICLR 2019) under each.
    label_smoothing
        Share of each label that is spread over all classes (Szegedy et al., CVPR 2016, section 7).
    mixing
        Mixup and cutmix.
    average
        Momentum of a moving average of the weights, 0 for none; 0.999 averages over about the last thousand steps, or
        over the last ninth of the phase while that is less (`ferkit.training.averaging`). The average, with BatchNorm
        statistics of its own, is what PublicTest judges, and what is kept (Polyak and Juditsky, SIAM J. Control Optim.
        30, 1992).
    monitor
        What PublicTest says about the network: ``accuracy`` (larger is better) or ``loss``. It chooses the best epoch.
    patience
        A phase ends after this many epochs without improvement.
    execution
        How it runs on its device.
    """

    MOVED: ClassVar[Mapping[str, str]] = {name: f"network.{name}" for name in PhaseSettings.model_fields}

    head: HeadPhaseSettings = HeadPhaseSettings()
    network: NetworkPhaseSettings = NetworkPhaseSettings()
    unfreeze: float | str = "all"
    batch_norm: BatchNorm = "trainable"
    batch_size: int = Field(64, ge=1)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    monitor: Literal["accuracy", "loss"] = "accuracy"
    patience: int = Field(10, ge=1)
    augmentation: AugmentationSettings = AugmentationSettings()
    mixing: MixingSettings = MixingSettings()
    average: float = Field(0.0, ge=0, lt=1)
    execution: ExecutionSettings = ExecutionSettings()

    @field_validator("unfreeze")
    @classmethod
    def _share(cls, unfreeze: float | str) -> float | str:
        if not isinstance(unfreeze, str) and not 0 <= unfreeze <= 1:
            raise ValueError(f"{unfreeze:g} is no share: expected 0..1, all, none, or the name of a layer.")
        return unfreeze

    @model_validator(mode="after")
    def _plateau_lowers_the_rate(self) -> Self:
        for phase, settings in (("network", self.network), ("head", self.head)):
            if settings.schedule != "plateau" or not settings.epochs:
                continue
            for name, limit in (("patience", self.patience), (f"{phase}.epochs", settings.epochs)):
                if settings.plateau_patience >= limit:
                    raise ValueError(
                        f"{phase}.plateau_patience {settings.plateau_patience}: with {name} {limit} the phase is over "
                        f"before the rate falls; lower it, or raise {name}."
                    )
        return self

    def identity(self) -> str:
        """Text that is equal for equal settings, for the keys of checkpoints and of finished networks.

        Its layout, in which the keys of the second phase stand bare, is that of the first keys, so that what an older
        version left is found again; a key that is younger is there only if it was changed.
        """
        content = self.model_dump()
        for phase, name, default in (("head", "augment", True), ("network", "layer_decay", 1.0)):
            if content[phase][name] == default:
                del content[phase][name]
        return to_json({**content.pop("network"), **content}).decode()


def with_phases(training: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a ``training`` section that an older version may have written, as `TrainingSettings` reads it.

    Parameters
    ----------
    training
        With the keys of the second phase under ``network``, or bare, where they once stood.
    """
    bare = {name: training[name] for name in PhaseSettings.model_fields if name in training}
    others = {name: value for name, value in training.items() if name not in bare}
    return {**others, "network": {**others.get("network", {}), **bare}} if bare else others
