"""A network cut in two at a feature map, with the gradient of a class's score in that map."""

from typing import TYPE_CHECKING, Any, ClassVar, Self, cast
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ferkit.backbones.network import BACKBONE, PREPROCESSED, PROBABILITIES
from ferkit.data.labels import Target
from ferkit.data.stored_pictures import with_channels
from ferkit.errors import DataError

if TYPE_CHECKING:
    import keras

__all__ = ["OpenedNetwork"]

# A map with fewer cells a side says no more than "left" or "below"; the last one of MobileNet at 96 pixels has 3.
# Of 3 settings, blurring the hottest quarter of 120 faces of PublicTest takes this from the probability of what the
# student, and the ensemble, said: with the very last maps 0.17 and 0.18; with 6 cells or more 0.30 and 0.26; with 11 or
# more 0.17 and 0.26.
_FEWEST_CELLS = 6


class OpenedNetwork:
    """A network cut in two at its last feature map of at least 6x6 cells, for Grad-CAM.

    Parameters
    ----------
    network
        Made by `ferkit.backbones.network.build_network`. The halves share its layers.

    Raises
    ------
    DataError
        If it is another network, or has no feature map.
    """

    _opened: ClassVar["WeakKeyDictionary[Any, Any]"] = WeakKeyDictionary()

    def __init__(self, network: "keras.Model") -> None:
        import keras

        names = [layer.name for layer in network.layers]
        if BACKBONE not in names or PREPROCESSED not in names:
            raise DataError(
                f"network {network.name}: expected layers {PREPROCESSED!r} and {BACKBONE!r}, as build_network makes "
                f"them; found {', '.join(names)}."
            )
        backbone = network.get_layer(BACKBONE)
        prepared = keras.Model(network.input, network.get_layer(PREPROCESSED).output)
        cut, self._rest = _cut(backbone)
        self._stem = (prepared, keras.Model(backbone.input, cut))
        self._heads = {name: network.get_layer(name) for name in names if name.startswith(PROBABILITIES)}
        # The heads share what they read.
        read = next(iter(self._heads.values())).input
        entry = network.layers[names.index(BACKBONE) + 1].input
        self._neck = None if entry is read else keras.Model(entry, read)

    @classmethod
    def of(cls, network: "keras.Model") -> Self:
        """`network` cut in two; kept for as long as the network lives, so that a second call costs nothing."""
        if network not in cls._opened:
            cls._opened[network] = cls(network)
        opened: Self = cls._opened[network]
        return opened

    def require_target(self, target: Target) -> None:
        """Raise a `DataError` unless the network has a head for `target`."""
        if f"{PROBABILITIES}_{target}" not in self._heads:
            heads = ", ".join(name.removeprefix(f"{PROBABILITIES}_") for name in self._heads)
            raise DataError(f"target {target!r}: this network answers for {heads}.")

    def features_and_gradients(
        self, images: NDArray[np.uint8], target: Target, indices: NDArray[np.integer]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The feature maps of pictures, and the gradient of a class's score before the softmax in each of their values.

        Parameters
        ----------
        images : (N, side, side[, 3]) uint8
            The pictures, as the network takes them.
        target
            The head whose classes `indices` name.
        indices : (N,)
            The class of each picture.

        Returns
        -------
        (N, h, w, channels) float32, twice
        """
        from keras import ops

        self.require_target(target)
        head = self._heads[f"{PROBABILITIES}_{target}"]
        features = ops.convert_to_tensor(np.ascontiguousarray(with_channels(images)))
        for part in self._stem:
            features = part(features, training=False)
        kernel = ops.take(ops.cast(head.kernel, "float32"), ops.convert_to_tensor(indices), axis=1)

        def score(cut: Any) -> Any:
            """Of all pictures together: none depends on another, so the gradient of the sum is that of each."""
            for part in (self._rest, self._neck):
                cut = cut if part is None else part(cut, training=False)
            return ops.sum(ops.cast(cut, "float32") * ops.transpose(kernel))

        features, gradients = _gradient(score, features)
        return _float32(features), _float32(gradients)


def _cut(backbone: "keras.Model") -> tuple[Any, "keras.Model | None"]:
    """The last feature map that is fine enough, the finest one if none is, and the layers behind it."""
    import keras

    maps = [
        layer.output
        for layer in backbone.layers
        # What padding adds is no place in the picture.
        if not isinstance(layer, keras.layers.InputLayer | keras.layers.ZeroPadding2D)
        and len(getattr(layer.output, "shape", ())) == 4
    ]
    fine = [each for each in maps if each.shape[1] >= _FEWEST_CELLS]
    for tensor in reversed(fine or maps):
        if tensor is backbone.output:
            return tensor, None
        try:
            return tensor, keras.Model(tensor, backbone.output)
        except ValueError:
            # A way around it, such as the shortcut of a residual block.
            continue
    raise DataError(f"backbone of {len(backbone.layers)} layers: no feature map, which Grad-CAM needs.")


def _gradient(score: Any, features: Any) -> tuple[Any, Any]:
    """`features`, and the gradient of `score` in them, under any backend of Keras."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(features)
            total = score(features)
        return features, tape.gradient(total, features)
    if backend == "jax":
        import jax  # type: ignore[import-not-found,unused-ignore]

        return features, jax.grad(score)(features)
    import torch  # type: ignore[import-not-found,unused-ignore]

    features = features.detach().requires_grad_()
    return features.detach(), torch.autograd.grad(score(features), features)[0]


def _float32(tensor: Any) -> NDArray[np.float32]:
    from keras import ops

    return cast("NDArray[np.float32]", ops.convert_to_numpy(ops.cast(tensor, "float32")))
