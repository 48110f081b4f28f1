"""The Keras models that are exported: pictures in, probabilities by target out, nothing left to do outside.

Everything that `Bundle.predict` does around its networks lies inside: the views of each picture, the weights of the
vote, the temperature.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkit.backbones.network import PROBABILITIES
from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import ModelName, Vote
from ferkit.data.input_card import InputCard
from ferkit.data.labels import DECLARED_TARGETS
from ferkit.errors import DataError
from ferkit.models.temperature import TINY
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation, five_crops

if TYPE_CHECKING:
    import keras

__all__ = ["INPUT", "answering", "as_function", "input_of", "model_network"]

INPUT = "picture"


def answering(network: "keras.Model", name: str | None = None) -> "keras.Model":
    """`network` in float32, its outputs a dictionary by target even if there is only one.

    Parameters
    ----------
    network
        As `ferkit.backbones.build_network` builds it, or read from a .keras file that ferkit wrote.
    name
        Of the result; that of `network` if None.

    Raises
    ------
    DataError
        If it takes something else than pictures, or its outputs are not those of targets.
    """
    import keras

    taken = input_of(network)
    network = _in_float32(network)
    picture = keras.Input(taken.tensor, dtype="uint8", name=INPUT)
    predicted = network(picture, training=False)
    outputs = predicted if isinstance(predicted, dict) else {_target_of(network): predicted}
    known = {*DECLARED_TARGETS, *(_target_of_layer(layer.name) for layer in _layers(network))}
    if unknown := outputs.keys() - known:
        raise DataError(
            f"network {network.name}: outputs {', '.join(sorted(unknown))}, expected {' or '.join(DECLARED_TARGETS)}, "
            f"or targets after which ferkit called their layers, {PROBABILITIES}_NAME."
        )
    for target, output in outputs.items():
        shape, declared = tuple(output.shape[1:]), DECLARED_TARGETS.get(target)
        if len(shape) != 1 or (declared and shape != (len(declared.classes),)):
            expected = len(declared.classes) if declared else "a row of"
            raise DataError(f"network {network.name}: output {target} is {shape}, expected {expected} classes.")
    return keras.Model(picture, outputs, name=name or network.name)


def as_function(network: "keras.Model") -> tuple[Any, Any]:
    """What `network` predicts as a ``tf.function``, which both converters take, and the ``tf.TensorSpec`` of its input.

    Parameters
    ----------
    network
        Pictures (N, side, side, 1 or 3) uint8 to probabilities by target; N is left free.
    """
    import tensorflow as tf

    pictures = tf.TensorSpec((None, *input_of(network).tensor), tf.uint8, name=INPUT)
    # Without `training=False` dropout would be part of the graph.
    traced = tf.function(lambda picture: network(picture, training=False), input_signature=[pictures], autograph=False)
    return traced, pictures


def input_of(network: "keras.Model") -> InputCard:
    """The pictures that a network takes.

    Raises
    ------
    DataError
        If it takes something else.
    """
    # A Sequential may be saved without.
    inputs = getattr(network, "inputs", None) or []
    try:
        (given,) = inputs
        return InputCard.of_shape(tuple(given.shape)[1:])
    except (DataError, ValueError):
        shapes = ", ".join(str(tuple(each.shape)) for each in inputs) or "of no known shape"
        raise DataError(
            f"network {network.name}: its input is {shapes}, expected one of pictures, (None, side, side, 1) or "
            "(None, side, side, 3)."
        ) from None


def model_network(bundle: Bundle, model: ModelName = "default") -> "keras.Model":
    """All that `bundle` does to answer for its targets, as one model: calibrated probabilities by target.

    Parameters
    ----------
    model
        As for `Bundle.predict`; it answers for the targets that have it.

    Raises
    ------
    DataError
        If there is no such model.
    """
    import keras

    name = bundle.card.resolved(model)
    voting = {target: card.models[name] for target, card in bundle.card.targets.items() if name in card.models}
    if not voting:
        raise DataError(f"{bundle.folder}: no model {name!r} in this bundle; it has {', '.join(bundle.card.models)}.")
    tta = bundle.card.tta.get(name, NO_TTA)
    picture = keras.Input(bundle.input.tensor, dtype="uint8", name=INPUT)
    seen = list(_augmented(picture, tta))
    stacked = keras.ops.concatenate(seen, axis=0) if len(seen) > 1 else picture
    # The same backbone may vote several times, from several seeds: each needs a name of its own.
    members = {
        member: answering(bundle.network(member), f"voter_{number}")
        for number, member in enumerate(sorted({member for vote in voting.values() for member in vote.weights}))
    }
    predicted = {
        (name, target): answer
        for name, member in members.items()
        for target, answer in member(stacked, training=False).items()
    }
    outputs = {}
    for target, vote in voting.items():
        outputs[target] = _voted([predicted[name, target] for name in vote.weights], vote, len(seen))
    return keras.Model(picture, outputs, name=f"{bundle.card.name}_{name}")


def _voted(predicted: Sequence[Any], vote: Vote, view_count: int) -> Any:
    """What `Bundle.vote` makes of what its networks said about all views of pictures, in float32.

    The batch holds one view of every picture, then the next view of every picture. The mean over views and the one over
    networks are one sum: it is named by no operation that a network has inside, so int8 can leave it alone.
    """
    from keras import ops

    if len(predicted) > 1 or view_count > 1:
        by_view = [ops.reshape(answer, (view_count, -1, answer.shape[-1])) for answer in predicted]
        shares = np.repeat(np.array(list(vote.weights.values()), dtype=np.float32) / view_count, view_count)[
            :, None, None
        ]
        mixture = ops.sum(ops.concatenate(by_view, axis=0) * shares, axis=0)
    else:
        mixture = predicted[0]
    if vote.temperature == 1.0:
        return mixture
    return ops.softmax(ops.log(ops.maximum(mixture, TINY)) * (1 / vote.temperature), axis=-1)


def _augmented(picture: Any, tta: TestTimeAugmentation) -> Iterator[Any]:
    """The views of a picture tensor, as `TestTimeAugmentation.augment` makes them of arrays."""
    for view in _cropped(picture, tta):
        yield view
        if tta.flip:
            # Of what turns a picture round, the one that every format has.
            yield view[:, :, ::-1]


def _cropped(picture: Any, tta: TestTimeAugmentation) -> Iterator[Any]:
    from keras import ops

    if tta.crops == "none":
        yield picture
        return
    side, channels = picture.shape[1], picture.shape[3]
    planes = [ops.cast(picture[..., channel], "float32") for channel in range(channels)]
    for rows, columns in five_crops(side):
        # Arrays, which the graph holds as constants: a tensor that was made outside of it becomes an input of the file.
        enlarged = [ops.cast(ops.round(ops.matmul(ops.matmul(rows, plane), columns.T)), "uint8") for plane in planes]
        yield ops.stack(enlarged, axis=-1) if channels > 1 else enlarged[0][..., None]


def _target_of(network: "keras.Model") -> str:
    """The target of a network with one head, which its layer is called after."""
    layer = str(network.layers[-1].name)
    return _target_of_layer(layer) or layer


def _target_of_layer(name: str) -> str | None:
    return name.removeprefix(f"{PROBABILITIES}_") if name.startswith(f"{PROBABILITIES}_") else None


def _in_float32(network: "keras.Model") -> "keras.Model":
    """A network that was trained in mixed precision keeps that in its file, and no format has bfloat16."""
    import keras

    if all(getattr(layer, "compute_dtype", None) == layer.variable_dtype == "float32" for layer in _layers(network)):
        return network

    def in_float32(layer: Any) -> Any:
        config = layer.get_config()
        return type(layer).from_config({**config, "dtype": "float32"})

    copy = keras.models.clone_model(network, clone_function=in_float32, recursive=True)
    copy.set_weights(network.get_weights())
    return copy


def _layers(network: "keras.Model") -> Iterator[Any]:
    import keras

    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            yield layer
