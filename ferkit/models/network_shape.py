"""Whether a network takes the pictures that it is given and has one output for each class of a target."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ferkit.backbones.network import PREPROCESSED
from ferkit.data.input_card import InputCard
from ferkit.data.labels import DECLARED_TARGETS, Target, class_names
from ferkit.errors import DataError

if TYPE_CHECKING:
    import keras

__all__ = ["require_classifier"]

_LOG = logging.getLogger(__name__)


def require_classifier(network: "keras.Model", file: Path, target: Target, taken: InputCard) -> None:
    """Raise a `DataError` unless `network` maps pictures as `taken` to one value for each class of `target`.

    The assumptions about a network that ferkit did not make (grey values, order of the classes) are logged.
    """
    _require_input(network, file, taken)
    _require_output(network, file, target)
    if PREPROCESSED not in {layer.name for layer in network.layers}:
        _LOG.warning(
            "%s: not made by ferkit; it is given grey values 0..255, and its outputs are taken for %s, in this order.",
            file, ", ".join(class_names(target)),
        )  # fmt: skip


def _require_input(network: "keras.Model", file: Path, taken: InputCard) -> None:
    picture = taken.tensor
    expected = f"expected one {'RGB' if taken.colour else 'grey'} picture, {picture}"
    # A Sequential may be saved without.
    inputs = getattr(network, "inputs", None)
    if not inputs:
        raise DataError(f"{file}: has no input of a known shape, {expected}. Give it keras.Input({picture}) first.")
    shapes = [tuple(each.shape[1:]) for each in inputs]
    if len(shapes) > 1:
        raise DataError(f"{file}: has {len(shapes)} inputs, {', '.join(map(str, shapes))}; {expected}.")
    shape = shapes[0]
    if len(shape) == len(picture) and all(side in (None, wanted) for side, wanted in zip(shape, picture, strict=True)):
        return
    adapt = []
    if len(shape) == len(picture):
        if shape[:2] != picture[:2]:
            adapt.append(f"keras.layers.Resizing({shape[0]}, {shape[1]})")
        if shape[2] not in (None, 1):
            adapt.append(f"keras.layers.Concatenate()([grey] * {shape[2]})")
    layers = f" and {' and '.join(adapt)}" if adapt else ", and layers that make the one of the other,"
    raise DataError(
        f"{file}: its input is {shape}, {expected}. Put keras.Input({picture}){layers} in front, and save it anew."
    )


def _require_output(network: "keras.Model", file: Path, target: Target) -> None:
    classes = class_names(target)
    expected = f"expected {len(classes)} probabilities, one for each of {', '.join(classes)}"
    # A Sequential that was read has `outputs` alone; of others, those do not say their names.
    output = getattr(network, "output", None)
    if output is None:
        output = network.outputs[0]
    if isinstance(output, dict):
        if target not in output:
            raise DataError(f"{file}: has outputs {', '.join(output)}, but none for the target {target}.")
        output = output[target]
    if isinstance(output, Sequence):
        shapes = ", ".join(str(tuple(each.shape[1:])) for each in output)
        raise DataError(f"{file}: has {len(output)} outputs, {shapes}; {expected}.")
    shape = tuple(output.shape[1:])
    if shape != (len(classes),):
        found = f"{shape[0]} values a picture" if len(shape) == 1 else f"an output of shape {shape}"
        fitting = [other for other in DECLARED_TARGETS if shape == (len(class_names(other)),)]
        hint = f" For the emotions of {fitting[0]}, give --target {fitting[0]}." if fitting else ""
        raise DataError(f"{file}: has {found}, {expected}.{hint}")
