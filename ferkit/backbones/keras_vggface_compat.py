"""keras-vggface 0.6 on Keras 3, which has lost four names that it imports and refuses the names of its layers.

The names are put in place while it is imported and taken away again, and so is the imported package: what others see of
Keras and of keras-vggface is what they would see without us. Our copy of its module builds layers through stand-ins
that rewrite ``conv1/7x7_s2`` to ``conv1_7x7_s2``.
"""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import Any

from ferkit.backbones.weight_files import plain_name
from ferkit.errors import FerkitError

__all__ = ["vggface_models"]

# What `keras_vggface.models` makes with a name.
_NAMED_LAYERS = ("Activation", "BatchNormalization", "Conv2D", "Dense")


@cache
def vggface_models() -> ModuleType:
    """The module `keras_vggface.models` with its ``VGG16``, ``RESNET50`` and ``SENET50``, ready for Keras 3.

    Its own weight loading must not be used: pass ``weights=None``.

    Raises
    ------
    FerkitError
        If keras-vggface cannot be imported.
    """
    import keras

    try:
        with _names_of_keras2():
            models = importlib.import_module("keras_vggface.models")
    except ImportError as error:
        raise FerkitError(f"keras-vggface 0.6 cannot be imported: {error}.") from error
    for name in _NAMED_LAYERS:
        setattr(models, name, _plainly_named(getattr(keras.layers, name)))
    models.AveragePooling2D = _fitting_average_pool  # type: ignore[attr-defined]
    return models


def _plainly_named(layer: Callable[..., Any]) -> Callable[..., Any]:
    def build(*args: Any, name: str | None = None, **kwargs: Any) -> Any:
        return layer(*args, name=None if name is None else plain_name(name), **kwargs)

    return build


def _fitting_average_pool(pool_size: tuple[int, int], name: str | None = None) -> Callable[[Any], Any]:
    """The 7x7 pool over a 7x7 map; over a smaller map, of pictures below 197 pixels, a pool of the map's size."""
    import keras

    def pool(feature_map: Any) -> Any:
        height, width = feature_map.shape[1:3]
        size = (min(pool_size[0], height), min(pool_size[1], width))
        return keras.layers.AveragePooling2D(size, name=name)(feature_map)

    return pool


@contextmanager
def _names_of_keras2() -> Iterator[None]:
    import keras

    def input_shape(shape: tuple[int, ...], **_limits: Any) -> tuple[int, ...]:
        """What `_obtain_input_shape` gives for a shape that is right; ours is checked by `BackboneSettings`."""
        return shape

    stand_ins: dict[str, dict[str, Any]] = {
        "keras_applications": {},
        "keras_applications.imagenet_utils": {"_obtain_input_shape": input_shape},
        "keras.engine": {},
        "keras.engine.topology": {"get_source_inputs": keras.utils.get_source_inputs},
        "keras.utils.data_utils": {"get_file": keras.utils.get_file},
        "keras.utils.layer_utils": {},
    }
    packages = ("keras_vggface", *stand_ins)
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if _belongs(name, packages)}
    had_layer_utils = hasattr(keras.utils, "layer_utils")
    for name, content in stand_ins.items():
        module = ModuleType(name)
        module.__dict__.update(content)
        sys.modules[name] = module
    if not had_layer_utils:
        keras.utils.layer_utils = sys.modules["keras.utils.layer_utils"]
    try:
        yield
    finally:
        if not had_layer_utils:
            del keras.utils.layer_utils
        for name in [name for name in sys.modules if _belongs(name, packages)]:
            del sys.modules[name]
        sys.modules.update(before)


def _belongs(module: str, packages: tuple[str, ...]) -> bool:
    return module in packages or module.startswith("keras_vggface.")
