"""keras-vggface 0.6 on Keras 3, which has lost names that it imports and refuses the names of its layers.

The package's files are run as modules of our own, which `sys.modules` never holds, and whose import statements find
those names in stand-ins: nobody else sees another Keras, or another keras-vggface, than without us. Layers are built
through functions that rewrite ``conv1/7x7_s2`` to ``conv1_7x7_s2``.
"""

import builtins
import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from ferkit.backbones.weight_files import plain_name
from ferkit.errors import FerkitError

__all__ = ["vggface_models"]

# What `keras_vggface.models` makes with a name.
_NAMED_LAYERS = ("Activation", "BatchNormalization", "Conv2D", "Dense")


@cache
def vggface_models() -> ModuleType:
    """The module `keras_vggface.models` with its ``VGG16``, ``RESNET50`` and ``SENET50``, ready for Keras 3.

    Its own weight loading must not be used: pass ``weights=None``. `sys.modules`, Keras and keras-vggface are left as
    they are.

    Raises
    ------
    FerkitError
        If keras-vggface is not installed, or is another version that needs more of Keras 2.
    """
    import keras

    # Of Keras 2: a check that a shape is right, which `BackboneSettings` makes, and a module that is not used.
    lost = {
        "keras_applications.imagenet_utils": SimpleNamespace(_obtain_input_shape=lambda shape, **_limits: shape),
        "keras.engine.topology": SimpleNamespace(get_source_inputs=keras.utils.get_source_inputs),
        "keras.utils": SimpleNamespace(layer_utils=None),
        "keras.utils.data_utils": SimpleNamespace(get_file=keras.utils.get_file),
    }
    try:
        utils = _run("utils", lost)
        models = _run("models", {**lost, "keras_vggface": SimpleNamespace(utils=utils)})
    except (ImportError, OSError, ValueError) as error:
        raise FerkitError(f"keras-vggface 0.6 cannot be imported: {error}.") from error
    for name in _NAMED_LAYERS:
        setattr(models, name, _plainly_named(getattr(keras.layers, name)))
    models.AveragePooling2D = _fitting_average_pool  # type: ignore[attr-defined]
    return models


def _run(name: str, replaced: Mapping[str, Any]) -> ModuleType:
    """Run the file `name` of keras-vggface as a new module, whose imports find the modules of `replaced` first."""
    spec = importlib.util.find_spec("keras_vggface")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("No module named 'keras_vggface'")
    file = Path(spec.submodule_search_locations[0]) / f"{name}.py"

    def find(module: str, *details: Any, **further: Any) -> Any:
        return replaced[module] if module in replaced else builtins.__import__(module, *details, **further)

    made = ModuleType(f"keras_vggface.{name}")
    # Import statements call the `__import__` of the module that they stand in.
    vars(made)["__builtins__"] = {**vars(builtins), "__import__": find}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), vars(made))  # noqa: S102 - an installed package.
    return made


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
