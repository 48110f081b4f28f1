"""The epochs of one training: order, learning rate, judgement."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferkit.backbones.freezing import features_are_constant, random_states
from ferkit.backbones.fused_batch_norm import fuse_batch_norm
from ferkit.backbones.layer_depths import layer_depths
from ferkit.data.stored_pictures import StoredPictures, with_channels
from ferkit.errors import TrainingError
from ferkit.models.face_model import predict_targets
from ferkit.models.keras_input import array_input, batch_input
from ferkit.training.augmentation import NO_AUGMENTATION
from ferkit.training.checkpoint import Progress
from ferkit.training.examples import Examples, SelectionExamples
from ferkit.training.execution import compile_arguments, copies_of, require_even_batches, sharing_devices
from ferkit.training.mixing import MixingSettings
from ferkit.training.settings import PhaseSettings, TrainingSettings

if TYPE_CHECKING:
    import keras

    from ferkit.backbones.features.kept_features import KeptFeatures
    from ferkit.training.learning_rate import Rate
    from ferkit.training.trainer import Trainer

__all__ = ["EpochRecord", "Epochs", "keeps_features"]

_LOG = logging.getLogger(__name__)

EpochRecord = dict[str, Any]

_PROGRESS_SECONDS = 20.0
# From which averaged weights get their BatchNorm statistics: FER-2013 has about as many to judge them by.
_STATISTICS_PICTURES = 2048


class Epochs:
    """A network that learns one epoch at a time.

    Parameters
    ----------
    network
        With a head for each target of `examples`.
    examples, selection
        What it learns from, and what judges it.
    settings
        How it learns.
    seed
        Of order, dropout and augmentation.
    label
        What the run calls the network.
    folder
        Where features lie that are too many for memory, see `ferkit.backbones.features.kept_features`.
    """

    def __init__(
        self,
        network: "keras.Model",
        examples: Examples,
        selection: SelectionExamples,
        settings: TrainingSettings,
        seed: int,
        label: str,
        folder: Path | None = None,
    ) -> None:
        self.network, self.settings = network, settings
        fuse_batch_norm(network)
        self._label, self._seed, self._selection, self._folder = label, seed, selection, folder
        self._examples = examples
        self._devices = sharing_devices(settings.execution)
        require_even_batches(settings.batch_size, self._devices)
        self._trainer: Trainer
        self._whole: dict[bool, Trainer] = {}
        self._features: KeptFeatures | None = None
        # Every epoch has as many.
        self._steps = -(-len(self._order(Progress())) // settings.batch_size)
        self._rate: Rate

    def compile(self, phase: PhaseSettings, *, augment: bool = True, layer_decay: float = 1.0) -> None:
        """Give the network, frozen as it is to be, a trainer with a fresh optimizer for `phase`.

        Parameters
        ----------
        phase
            Its learning rate.
        augment
            Whether pictures are changed and mixed at random, as the settings of the training say.
        layer_decay
            How much slower each stage of the backbone learns than the one above, see `NetworkPhaseSettings`.
        """
        import keras

        from ferkit.backbones.features.kept_features import KeptFeatures
        from ferkit.training.averaging import averaging
        from ferkit.training.batch_norm_statistics import BatchNormStatistics
        from ferkit.training.learning_rate import Rate, layerwise
        from ferkit.training.trainer import Trainer

        settings = self.settings
        if not augment:
            settings = settings.model_copy(update={"augmentation": NO_AUGMENTATION, "mixing": MixingSettings()})
        self._features = None
        # What is sent to several devices are indices, or pictures.
        if self._devices == 1 and keeps_features(self.network, settings):
            self._features = KeptFeatures(self.network, self._examples.images, self._selection.images, self._folder)
            self._trainer = Trainer(self._features.head, self._examples, settings, self._seed)
        else:
            # It holds the pictures: one for all phases that change them alike.
            if augment not in self._whole:
                self._whole[augment] = Trainer(self.network, self._examples, settings, self._seed)
            self._trainer = self._whole[augment]
        self._rate = Rate(phase, self._steps)
        kinds = {"adamw": keras.optimizers.AdamW, "adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
        kind, chosen = kinds[settings.optimizer], {"weight_decay": settings.weight_decay}
        if settings.optimizer == "sgd":
            chosen |= {"momentum": settings.momentum, "nesterov": True}
        if layer_decay < 1:
            kind = layerwise(kind)
        if settings.average:
            kind, chosen = averaging(kind), {**chosen, "use_ema": True, "ema_momentum": settings.average}
        optimizer = self._optimizer = kind(self._rate, **chosen)
        self._rate.attach(optimizer)
        if layer_decay < 1:
            optimizer.set_factors(
                (weight, layer_decay**depth) for layer, depth in layer_depths(self.network) for weight in layer.weights
            )
        # A learning rate of one step is not worth decaying biases and BatchNorm for.
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        # At the end of each `fit`, which here is an epoch, Keras would go on from the average.
        optimizer.finalize_variable_values = lambda _variables: None
        execution = compile_arguments(settings.execution)
        self._trainer.compile(optimizer, **execution)
        self._trainer.optimizer.build(self._trainer.trainable_variables)
        self._statistics = BatchNormStatistics(self._trainer, self.network, jit_compile=execution["jit_compile"])

    @property
    def state(self) -> list[Any]:
        """Every variable that the next epoch depends on."""
        return [*self.network.weights, *self._trainer.optimizer.variables]

    def run(
        self, name: str, phase: PhaseSettings, progress: Progress
    ) -> tuple[EpochRecord, list[NDArray[np.float32]] | None]:
        """Train one epoch, judge it, and write it into `progress`; the record, and the weights if they are the best."""
        from keras.ops import convert_to_numpy

        order = self._order(progress)
        self._reseed(progress)
        self._rate.set_factor(progress.rate_factor)
        begin = time.perf_counter()
        fitted = self._fit(order, _pace(self._label, name, phase, progress, self._steps))
        seconds = time.perf_counter() - begin
        loss, accuracy = (float(fitted.history[key][0]) for key in ("loss", "accuracy"))
        if not np.isfinite(loss):
            raise TrainingError(
                f"{self._label}, phase {name}, epoch {progress.epoch}: the loss is {loss}; lower "
                f"training.{name}.learning_rate, now {phase.learning_rate}."
            )
        with self._averaged(order):
            judged = self._judge()
            better = -judged["val_loss"] if self.settings.monitor == "loss" else judged["val_accuracy"]
            improved = progress.account(better, phase)
            best = self.network.get_weights() if improved else None
        progress.seconds += seconds
        progress.pictures += len(order)
        record: EpochRecord = {
            "epoch": len(progress.history),
            "phase": name,
            "loss": loss,
            "accuracy": accuracy,
            **judged,
            "learning_rate": float(convert_to_numpy(self._rate(self._trainer.optimizer.iterations - 1))),
            "pictures_per_second": len(order) / seconds,
        }
        progress.history.append(record)
        _LOG.info(
            "%s %s epoch %d/%d: loss %.4f, PublicTest loss %.4f, accuracy %s%s (%.0f pictures/s)",
            self._label, name, progress.epoch, phase.epochs, loss, judged["val_loss"], _accuracies(judged),
            ", the best so far" if improved else "", len(order) / seconds,
        )  # fmt: skip
        return record, best

    def _fit(self, order: NDArray[np.int32], pace: Any) -> Any:
        """One pass over the examples `order`."""
        common = {"shuffle": False, "verbose": 0, "callbacks": [pace]}
        images, batch_size = self._sent, self.settings.batch_size
        if images is None:
            return self._trainer.fit(**array_input(order, batch_size), **common)
        from ferkit.training.streamed_batches import StreamedBatches

        with StreamedBatches(images, order, batch_size) as batches:
            try:
                return self._trainer.fit(**batch_input(batches, batches.shapes), **common)
            except Exception as error:  # noqa: BLE001
                # TensorFlow wraps what a thread could not read into an error of its own.
                raise batches.failure or error from None

    @property
    def _sent(self) -> StoredPictures | NDArray[np.float32] | None:
        """What the trainer is sent of each example, beside its index: a picture in a file, or features."""
        if self._features is not None:
            return self._features.training
        return self._examples.images if isinstance(self._examples.images, StoredPictures) else None

    def _order(self, progress: Progress) -> NDArray[np.int32]:
        """The examples of an epoch; a few occur again where the last batch could not be shared among the devices."""
        order = self._examples.epoch(np.random.default_rng([self._seed, progress.phase, progress.epoch]))
        missing = -len(order) % self._devices
        return np.asarray(np.concatenate([order, order[:missing]]), dtype=np.int32)

    def _reseed(self, progress: Progress) -> None:
        """Set every random state of dropout, augmentation and mixing from (seed, phase, epoch), each device's apart."""
        for number, state in enumerate(random_states(self._trainer)):
            copies = copies_of(state)
            fresh = np.random.SeedSequence([self._seed, progress.phase, progress.epoch, number])
            words = fresh.generate_state(2 * len(copies)).reshape(-1, 2)
            for copy, words_of_copy in zip(copies, words, strict=True):
                copy.assign(words_of_copy.astype(state.dtype))

    @contextmanager
    def _averaged(self, order: NDArray[np.int32]) -> Iterator[None]:
        """Within this the network has its averaged weights, if it keeps an average, and their BatchNorm statistics."""
        if not self.settings.average:
            yield
            return
        learned = self.network.get_weights()
        try:
            self._optimizer.assign_averages()
            self._statistics.estimate(self._batches(order[:_STATISTICS_PICTURES]))
            yield
        finally:
            self.network.set_weights(learned)

    def _batches(self, order: NDArray[np.int32]) -> Iterator[Any]:
        """What the trainer takes of the examples `order`, in whole batches; in one if there are fewer."""
        images, size = self._sent, min(self.settings.batch_size, len(order))
        for start in range(0, len(order) - size + 1, size):
            at = order[start : start + size]
            yield at if images is None else (at, with_channels(np.asarray(images[at])))

    def _judge(self) -> dict[str, float]:
        """Cross-entropy and accuracy on the selection pictures: of each head, and on average."""
        losses, accuracies = {}, {}
        kept, selection = self._features, self._selection
        if kept is None:
            predicted = predict_targets(self.network, selection.images, selection.labels)
        else:
            predicted = kept.predict([*selection.labels])
        for target, every in selection.labels.items():
            known = every.any(axis=1)
            labels, probabilities = every[known], predicted[target][known]
            losses[target] = float(-(labels * np.log(np.clip(probabilities, 1e-7, 1.0))).sum(axis=1).mean())
            accuracies[target] = float((probabilities.argmax(axis=1) == labels.argmax(axis=1)).mean())
        judged = {
            "val_loss": float(np.mean([*losses.values()])),
            "val_accuracy": float(np.mean([*accuracies.values()])),
        }
        if len(accuracies) > 1:
            judged |= {f"val_accuracy/{target}": value for target, value in accuracies.items()}
        return judged


def keeps_features(network: "keras.Model", settings: TrainingSettings) -> bool:
    """Whether a picture has the same features in every epoch, so that they are computed once and the head learns."""
    return not (settings.augmentation.on or settings.mixing.on) and features_are_constant(network)


def _accuracies(judged: Mapping[str, float]) -> str:
    each = [f"{key.rpartition('/')[2]} {value:.4f}" for key, value in judged.items() if key.startswith("val_accuracy/")]
    return ", ".join(each) or f"{judged['val_accuracy']:.4f}"


def _pace(label: str, name: str, phase: PhaseSettings, progress: Progress, steps: int) -> Any:
    """Callback that now and then says how far the epoch is."""
    import keras

    class Pace(keras.callbacks.Callback):  # type: ignore[misc]
        spoke = time.monotonic()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if time.monotonic() - self.spoke >= _PROGRESS_SECONDS:
                self.spoke = time.monotonic()
                loss = (logs or {}).get("loss", float("nan"))
                _LOG.info(
                    "%s %s epoch %d/%d: step %d/%d, loss %.4f",
                    label, name, progress.epoch + 1, phase.epochs, batch + 1, steps, loss,
                )  # fmt: skip

    return Pace()
