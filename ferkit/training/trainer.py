"""`Trainer`: the network with everything around it that only training needs, all of it on the device.

Importing this module imports Keras.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from ferkit.data.stored_pictures import StoredPictures, picture_shape, with_channels
from ferkit.training.augmentation import build_augmentation
from ferkit.training.examples import Examples
from ferkit.training.mixing_layer import Mixing
from ferkit.training.settings import TrainingSettings

__all__ = ["CrossEntropy", "MultiLabelLoss", "Trainer"]


class _OnDevice(keras.layers.Layer):  # type: ignore[misc]
    """Arrays with a line an example, kept on the device; takes indices (B,) and returns those lines of each array.

    A step then sends some hundred bytes to the device and not its pictures: FER-2013 is 66 MB as uint8.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        super().__init__(dtype="float32", trainable=False)
        self._arrays = [self._constant(each) for each in arrays]

    def _constant(self, array: Any) -> Any:
        def values(*_: Any, **__: Any) -> Any:
            return ops.convert_to_tensor(array)

        return self.add_weight(shape=array.shape, dtype=str(array.dtype), initializer=values, trainable=False)

    def call(self, indices: Any) -> list[Any]:
        """(B, ...) of each array, with its type."""
        return [ops.take(each, indices, axis=0) for each in self._arrays]

    def compute_output_spec(self, indices: Any) -> Any:
        """Shapes are known; the number of examples is not."""
        count = indices.shape[0]
        return [keras.KerasTensor((count, *each.shape[1:]), dtype=str(each.dtype)) for each in self._arrays]


class CrossEntropy(keras.losses.Loss):  # type: ignore[misc]
    """Categorical cross-entropy for labels whose rows sum to the weight of their example, which smoothing keeps.

    As Keras' own class it knows how to average over a batch that several devices share.
    """

    def __init__(self, smoothing: float) -> None:
        super().__init__(name="cross_entropy")
        self._smoothing = smoothing

    def call(self, labels: Any, probabilities: Any) -> Any:
        """(B,) from (B, classes)."""
        weight = ops.sum(labels, axis=-1, keepdims=True)
        smooth = (1 - self._smoothing) * labels + self._smoothing * weight / labels.shape[-1]
        return -ops.sum(smooth * _logarithm(probabilities), axis=-1)


class MultiLabelLoss(keras.losses.Loss):  # type: ignore[misc]
    """Minus the logarithm of the largest probability among the classes that the label allows, times its weight.

    Every class with a label above 0 is allowed and as right as the others, so that the network may settle on any of
    them; a row of labels sums to the weight of its example. The loss of multi-label learning in Barsoum et al. 2016
    (arXiv:1608.01041), ``multi_target`` in ``cost_func`` of microsoft/FERPlus, src/train.py. Their reader also lets the
    classes that are not allowed count by a thousandth of their probability, against the logarithm of zero; here the
    probability is kept from it.
    """

    def __init__(self) -> None:
        super().__init__(name="multi_label")

    def call(self, labels: Any, probabilities: Any) -> Any:
        """(B,) from (B, classes)."""
        largest = ops.max(ops.where(labels > 0, probabilities, 0.0), axis=-1)
        return -ops.sum(labels, axis=-1) * _logarithm(largest)


def _logarithm(probabilities: Any) -> Any:
    return ops.log(ops.clip(probabilities, np.finfo(np.float32).tiny, 1.0))


class Trainer(keras.Model):  # type: ignore[misc]
    """Indices of examples in, the loss out: gather, augment, mix, predict, compare.

    Of examples whose pictures lie in files, a step is sent the pictures, too, and to a head alone their features.

    Parameters
    ----------
    network
        With one head for each target of `examples`; or the head alone, which takes features.
    examples
        What it learns from.
    settings
        Augmentation, mixing, label smoothing.
    seed
        Of augmentation and mixing.
    """

    def __init__(self, network: keras.Model, examples: Examples, settings: TrainingSettings, seed: int) -> None:
        indices = keras.Input((), dtype="int32")
        takes_features = len(network.input_shape) == 2
        if takes_features or isinstance(examples.images, StoredPictures):
            shape = network.input_shape[1:] if takes_features else picture_shape(examples.images)
            pictures = keras.Input(shape, dtype="float32" if takes_features else "uint8")
            inputs: Any = (indices, pictures)
            labels = _OnDevice([*examples.labels.values()])(indices)
        else:
            inputs = indices
            pictures, *labels = _OnDevice([with_channels(examples.images), *examples.labels.values()])(indices)
        pictures = build_augmentation(settings.augmentation, seed)(pictures)
        if settings.mixing.on:
            pictures, labels = Mixing(settings.mixing, seed + 1)(pictures, labels)
        predicted = network(pictures)
        outputs = [predicted[target] for target in examples.labels] if isinstance(predicted, dict) else [predicted]
        super().__init__(inputs, [outputs, labels])
        cross_entropy, multi_label = CrossEntropy(settings.label_smoothing), MultiLabelLoss()
        self._head_losses = [multi_label if each in examples.multi_label else cross_entropy for each in examples.labels]
        self._accuracy = keras.metrics.Mean(name="accuracy")

    def make_train_function(self, force: bool = False) -> None:
        """As Keras does; under JAX on one device `steps_per_execution` steps are one program."""
        if getattr(self, "train_function", None) is not None and not force:
            return
        super().make_train_function(force)
        if (
            keras.backend.backend() == "jax"
            and self.steps_per_execution > 1
            and self.jit_compile
            and not self.run_eagerly
            and keras.distribution.distribution() is None
        ):
            from ferkit.training.jax_steps import several_steps

            self.train_function = several_steps(self.train_step, self.steps_per_execution)

    def compute_loss(
        self,
        x: Any = None,  # noqa: ARG002
        y: Any = None,  # noqa: ARG002
        y_pred: Any = None,
        sample_weight: Any = None,  # noqa: ARG002
        training: bool = True,  # noqa: ARG002
    ) -> Any:
        """The loss of each head with its labels, averaged over the batch, summed over the heads."""
        heads = zip(self._head_losses, *y_pred, strict=True)
        return sum(loss(labels, probabilities) for loss, probabilities, labels in heads)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:  # noqa: ARG002
        """Share of examples whose largest probability is at the largest label, of the first head."""
        probabilities, labels = y_pred[0][0], y_pred[1][0]
        hit = ops.cast(ops.argmax(probabilities, axis=-1) == ops.argmax(labels, axis=-1), "float32")
        self._accuracy.update_state(hit, sample_weight=ops.cast(ops.sum(labels, axis=-1) > 0, "float32"))
        return self.get_metrics_result()
