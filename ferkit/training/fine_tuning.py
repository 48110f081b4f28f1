"""Fine-tuning: the head on a frozen backbone, then the network; the best epoch on PublicTest is kept.

Every epoch draws its order and its augmentation from (seed, phase, epoch) alone, so that a training that was
killed and goes on from its checkpoint ends where an undisturbed one does.
"""

import hashlib
import logging
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.backbones import BackboneSettings, build_network, restore_batch_norm_statistics, set_trainable
from ferkit.errors import TrainingError
from ferkit.model import predict
from ferkit.training.augmentation import build_augmentation
from ferkit.training.checkpoint import Checkpoint, Progress
from ferkit.training.settings import PhaseSettings, TrainingSettings, learning_rate
from ferkit.training_set import TrainingSet

if TYPE_CHECKING:
    import keras

__all__ = ["EpochRecord", "Trained", "fine_tune"]

_LOG = logging.getLogger(__name__)

EpochRecord = dict[str, Any]
_Phase = tuple[str, PhaseSettings, float | str]

# Faces from which BatchNorm statistics are estimated where the pretrained weights have none.
_STATISTICS_FACES = 512
_PROGRESS_SECONDS = 20.0


@dataclass(frozen=True, eq=False)
class Trained:
    """A network after fine-tuning.

    Attributes
    ----------
    network
        With the weights of its best epoch, without augmentation.
    history
        One line an epoch: epoch, phase, loss, accuracy, val_loss, val_accuracy, learning_rate, pictures_per_second.
    best_epoch
        Line of `history` whose weights were kept.
    pictures_per_second
        Training pictures a second over the whole training, validation not counted.
    trainable
        Parameters that learned, by phase.
    """

    network: "keras.Model"
    history: pd.DataFrame
    best_epoch: int
    pictures_per_second: float
    trainable: dict[str, int]


def fine_tune(
    training_set: TrainingSet,
    validation: tuple[NDArray[np.uint8], NDArray[np.float32]],
    backbone: BackboneSettings,
    settings: TrainingSettings,
    seed: int,
    *,
    checkpoint: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda _record: None,
) -> Trained:
    """Train one network.

    Parameters
    ----------
    training_set
        What it learns from.
    validation
        Pictures (V, 48, 48) uint8 of PublicTest and their labels (V, classes): they choose the epoch, nothing else.
    backbone, settings
        The network, and how it learns.
    seed
        Of weights, order, dropout and augmentation.
    checkpoint
        A folder for the state after each epoch. If it holds the state of this very training, that goes on.
    on_epoch
        Called after each epoch with its record, also with those of a training that goes on.

    Raises
    ------
    TrainingError
        If there is nothing to train, the loss is no number, or the checkpoint cannot be written.
    """
    phases = _phases(backbone, settings)
    network = build_network(backbone, training_set.targets.shape[1], seed=seed)
    with nullcontext(checkpoint) if checkpoint else tempfile.TemporaryDirectory() as folder:
        store = Checkpoint(Path(folder), _key(training_set, backbone, settings, seed))
        progress = store.load() or Progress()
        if progress.history:
            _LOG.info("%s goes on after epoch %d", backbone.label, len(progress.history) - 1)
            for record in progress.history:
                on_epoch(record)
        elif backbone.starts_trained and backbone.card.folded_batch_norm:
            restore_batch_norm_statistics(network, training_set.images[:_STATISTICS_FACES])
        loop = _Loop(network, training_set, validation, settings, seed, backbone.label)
        trainable = _run_phases(loop, phases, progress, store, on_epoch)
        store.restore_best(network)
        store.finish()
    network.trainable = True
    rate = progress.pictures / progress.seconds
    return Trained(network, pd.DataFrame(progress.history), progress.best_epoch, rate, trainable)


def _run_phases(
    loop: "_Loop",
    phases: list[_Phase],
    progress: Progress,
    store: Checkpoint,
    on_epoch: Callable[[EpochRecord], None],
) -> dict[str, int]:
    """Train what `progress` says is left; the number of trainable parameters of each phase."""
    trainable = {}
    resumes = bool(progress.history)
    for index, (name, phase, unfreeze) in enumerate(phases):
        trainable[name] = set_trainable(loop.network, unfreeze, batch_norm=loop.settings.batch_norm)
        if index < progress.phase:
            continue
        if index > progress.phase:
            progress.next_phase()
        loop.compile(phase)
        if resumes:
            store.restore(loop.trainer)
            resumes = False
        while progress.epoch < phase.epochs and progress.waited < loop.settings.patience:
            record, improved = loop.run_epoch(name, phase, progress)
            store.save(progress, loop.trainer, loop.network, improved=improved)
            on_epoch(record)
    return trainable


def _phases(backbone: BackboneSettings, settings: TrainingSettings) -> list[_Phase]:
    """Name, settings and free part of each phase that runs."""
    phases: list[_Phase] = []
    if backbone.starts_trained and settings.head.epochs:
        phases.append(("head", settings.head, "none"))
    if settings.epochs:
        phases.append(("network", settings, settings.unfreeze if backbone.starts_trained else "all"))
    if not phases:
        raise TrainingError(
            f"{backbone.label}: training.head.epochs and training.epochs leave no epoch to train; raise one."
        )
    return phases


def _key(training_set: TrainingSet, backbone: BackboneSettings, settings: TrainingSettings, seed: int) -> str:
    parts = (training_set.content_hash(), backbone.model_dump_json(), settings.model_dump_json(), str(seed))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class _Loop:
    """The epochs of one training: order, augmentation, optimizer, judgement."""

    def __init__(
        self,
        network: "keras.Model",
        training_set: TrainingSet,
        validation: tuple[NDArray[np.uint8], NDArray[np.float32]],
        settings: TrainingSettings,
        seed: int,
        label: str,
    ) -> None:
        import keras

        picture = keras.Input(network.input_shape[1:], dtype="uint8")
        self.network, self.label = network, label
        self.trainer = keras.Model(picture, network(build_augmentation(settings.augmentation, seed)(picture)))
        self._set, self._validation, self.settings, self._seed = training_set, validation, settings, seed

    def compile(self, phase: PhaseSettings) -> None:
        """Give the trainer a fresh optimizer for `phase`."""
        import keras

        settings = self.settings
        decay = {"weight_decay": settings.weight_decay or None}
        optimizer = {
            "adamw": lambda: keras.optimizers.AdamW(phase.learning_rate, weight_decay=settings.weight_decay),
            "adam": lambda: keras.optimizers.Adam(phase.learning_rate, **decay),
            "sgd": lambda: keras.optimizers.SGD(phase.learning_rate, settings.momentum, nesterov=True, **decay),
        }[settings.optimizer]()
        # A learning rate of one step is not worth decaying biases and BatchNorm for.
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
        self.trainer.compile(optimizer, loss, weighted_metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")])
        self.trainer.optimizer.build(self.trainer.trainable_variables)

    def run_epoch(self, name: str, phase: PhaseSettings, progress: Progress) -> tuple[EpochRecord, bool]:
        """Train one epoch, judge it, and write it into `progress`; the record, and whether it is the best so far."""
        order = np.random.default_rng([self._seed, progress.phase, progress.epoch]).permutation(self._set.indices)
        targets = self._set.targets[order]
        weights = None if self._set.class_weight is None else targets @ self._set.class_weight
        self._reseed(progress)
        begin = time.perf_counter()
        fitted = self.trainer.fit(
            self._set.images[order][..., None],
            targets,
            sample_weight=weights,
            batch_size=self.settings.batch_size,
            shuffle=False,
            verbose=0,
            callbacks=[_pace(self.label, name, phase, progress, len(order), self.settings.batch_size)],
        )
        seconds = time.perf_counter() - begin
        loss, accuracy = (float(fitted.history[key][0]) for key in ("loss", "accuracy"))
        if not np.isfinite(loss):
            raise TrainingError(
                f"{self.label}, phase {name}, epoch {progress.epoch}: the loss is {loss}; lower "
                f"training.{'head.' if name == 'head' else ''}learning_rate, now {phase.learning_rate}."
            )
        val_loss, val_accuracy = self._judge()
        improved = self._account(phase, progress, -val_loss if self.settings.monitor == "loss" else val_accuracy)
        progress.seconds += seconds
        progress.pictures += len(order)
        record: EpochRecord = {
            "epoch": len(progress.history),
            "phase": name,
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "learning_rate": float(self.trainer.optimizer.learning_rate),
            "pictures_per_second": len(order) / seconds,
        }
        progress.history.append(record)
        _LOG.info(
            "%s %s epoch %d/%d: loss %.4f, PublicTest loss %.4f, accuracy %.4f%s (%.0f pictures/s)",
            self.label, name, progress.epoch, phase.epochs, loss, val_loss, val_accuracy,
            ", the best so far" if improved else "", len(order) / seconds,
        )  # fmt: skip
        return record, improved

    def _reseed(self, progress: Progress) -> None:
        """Set every random state of dropout and augmentation from (seed, phase, epoch)."""
        weights = {id(each) for each in self.trainer.weights}
        states = [each for each in self.trainer.variables if id(each) not in weights and "seed" in each.path]
        for number, state in enumerate(states):
            fresh = np.random.SeedSequence([self._seed, progress.phase, progress.epoch, number])
            state.assign(fresh.generate_state(2).astype(state.dtype))

    def _judge(self) -> tuple[float, float]:
        """Cross-entropy and accuracy on the validation pictures."""
        images, labels = self._validation
        probabilities = predict(self.network, images)
        loss = -(labels * np.log(np.clip(probabilities, 1e-7, 1.0))).sum(axis=1).mean()
        return float(loss), float((probabilities.argmax(axis=1) == labels.argmax(axis=1)).mean())

    def _account(self, phase: PhaseSettings, progress: Progress, value: float) -> bool:
        progress.epoch += 1
        improved = value > progress.best
        if improved:
            progress.best, progress.best_epoch, progress.waited = value, len(progress.history), 0
            return True
        progress.waited += 1
        if phase.schedule == "plateau" and progress.waited % phase.plateau_patience == 0:
            progress.rate_factor *= phase.plateau_factor
        return False


def _pace(label: str, name: str, phase: PhaseSettings, progress: Progress, pictures: int, batch_size: int) -> Any:
    """Callback that sets the learning rate of each step and now and then says how far the epoch is."""
    import keras

    steps = -(-pictures // batch_size)

    class Pace(keras.callbacks.Callback):  # type: ignore[misc]
        spoke = time.monotonic()

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
            # Half a step on, so that neither warm-up nor cosine has a step with a rate of zero.
            at = progress.epoch + (batch + 0.5) / steps
            self.model.optimizer.learning_rate = learning_rate(phase, at, progress.rate_factor)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if time.monotonic() - self.spoke >= _PROGRESS_SECONDS:
                self.spoke = time.monotonic()
                loss = (logs or {}).get("loss", float("nan"))
                _LOG.info(
                    "%s %s epoch %d/%d: step %d/%d, loss %.4f",
                    label, name, progress.epoch + 1, phase.epochs, batch + 1, steps, loss,
                )  # fmt: skip

    return Pace()
