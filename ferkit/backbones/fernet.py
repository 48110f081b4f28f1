"""fernet: networks for 48x48 grey faces, trained from scratch."""

from typing import TYPE_CHECKING, Any

from ferkit.backbones.registry import Head, Preprocessing, register
from ferkit.backbones.stages import stage_features

if TYPE_CHECKING:
    from ferkit.backbones.settings import BackboneSettings

__all__ = ["fernet", "fernet_lite", "fernet_se"]

_DEFAULT_WIDTH = 32
_LITE_WIDTH = 48
# Channels of the blocks, of those of the first.
_FACTORS = (1, 2, 4, 8)
_BLOCK_DROPOUT = 0.2
# Channels over units of the bottleneck of squeeze-and-excitation, as in the paper.
_REDUCTION = 16
_FEWEST_UNITS = 4
_FAMILY: dict[str, Any] = {
    "input_size": 48,
    "min_size": 16,
    "preprocessing": Preprocessing("grey, about -2..2", mean=(128.0,), scale=1 / 64),
    "head": Head(dropout=0.5),
    "default_width": _DEFAULT_WIDTH,
    "default_depth": len(_FACTORS),
    "bfloat16_on_cpu": True,
}


@register(
    "fernet",
    summary="VGG-style, 4 blocks of two 3x3 convolutions with BatchNorm, from scratch",
    parameters=1_174_560,
    **_FAMILY,
)
def fernet(size: int, settings: "BackboneSettings") -> Any:
    """Four blocks of (convolution, BatchNorm, ReLU) twice, `width`, 2, 4 and 8 times `width` channels.

    A maximum pool and a dropout lie between the blocks, so that 48x48 pictures end as a 6x6 map. Of this family `depth`
    keeps that many blocks; with `stages` the maps of those are pooled and laid side by side.
    """
    import keras

    picture = x = keras.Input((size, size, 1))
    maps = []
    for block, width in enumerate(_widths(settings), start=1):
        x = _between(x, block)
        for number in (1, 2):
            x = _activated(_convolved(x, width, f"conv{block}_{number}"), f"conv{block}_{number}")
        maps.append(x)
    return keras.Model(picture, stage_features(maps, settings.stages))


@register(
    "fernet_se",
    summary="fernet with residual blocks and squeeze-and-excitation, from scratch",
    parameters=1_231_040,
    **_FAMILY,
)
def fernet_se(size: int, settings: "BackboneSettings") -> Any:
    """fernet, each block a residual one whose channels are weighted by what the whole map holds.

    Residual: He et al., CVPR 2016, figure 2, the shortcut a 1x1 convolution with BatchNorm. Squeeze-and-excitation: Hu
    et al., CVPR 2018, figure 3, reduction 16.
    """
    import keras
    from keras import layers

    picture = x = keras.Input((size, size, 1))
    maps = []
    for block, width in enumerate(_widths(settings), start=1):
        x = _between(x, block)
        shortcut = _convolved(x, width, f"shortcut{block}", kernel=1)
        x = _activated(_convolved(x, width, f"conv{block}_1"), f"conv{block}_1")
        x = _excited(_convolved(x, width, f"conv{block}_2"), width, f"se{block}")
        x = _activated(layers.Add(name=f"add{block}")([x, shortcut]), f"add{block}")
        maps.append(x)
    return keras.Model(picture, stage_features(maps, settings.stages))


@register(
    "fernet_lite",
    summary="depthwise separable residual blocks, made to be quick when it predicts, from scratch",
    parameters=315_648,
    **{**_FAMILY, "default_width": _LITE_WIDTH, "bfloat16_on_cpu": False},
)
def fernet_lite(size: int, settings: "BackboneSettings") -> Any:
    """A convolution with stride 2, then four stages of two depthwise separable convolutions, each with its shortcut.

    Depthwise separable: Howard et al. 2017, arXiv:1704.04861, figure 3. `width`, 2, 4 and 8 times `width` channels; a
    stage begins with stride 2, so that 48x48 pictures end as a 3x3 map.
    """
    import keras

    widths = _widths(settings, _LITE_WIDTH)
    picture = keras.Input((size, size, 1))
    x = _activated(_convolved(picture, widths[0], "stem", strides=2), "stem")
    maps = []
    for stage, width in enumerate(widths, start=1):
        for number in (1, 2):
            strides = 2 if stage > 1 and number == 1 else 1
            x = _separable(x, width, f"block{stage}_{number}", strides)
        maps.append(x)
    return keras.Model(picture, stage_features(maps, settings.stages))


def _separable(x: Any, width: int, name: str, strides: int) -> Any:
    from keras import layers

    y = layers.DepthwiseConv2D(3, strides, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    y = _activated(layers.BatchNormalization(name=f"{name}_depthwise_bn")(y), f"{name}_depthwise")
    y = _convolved(y, width, f"{name}_pointwise", kernel=1)
    if y.shape == x.shape:
        y = layers.Add(name=f"{name}_add")([x, y])
    return _activated(y, name)


def _widths(settings: "BackboneSettings", default: int = _DEFAULT_WIDTH) -> list[int]:
    return [factor * (settings.width or default) for factor in _FACTORS[: settings.depth]]


def _between(x: Any, block: int) -> Any:
    """What lies before a block that is not the first."""
    from keras import layers

    if block == 1:
        return x
    x = layers.MaxPooling2D(name=f"pool{block - 1}")(x)
    return layers.Dropout(_BLOCK_DROPOUT, name=f"drop{block - 1}")(x)


def _convolved(x: Any, width: int, name: str, kernel: int = 3, strides: int = 1) -> Any:
    from keras import layers

    x = layers.Conv2D(
        width, kernel, strides, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _activated(x: Any, name: str) -> Any:
    from keras import layers

    return layers.Activation("relu", name=f"{name}_relu")(x)


def _excited(x: Any, width: int, name: str) -> Any:
    from keras import layers

    squeezed = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    units = max(_FEWEST_UNITS, width // _REDUCTION)
    squeezed = layers.Dense(units, activation="relu", name=f"{name}_reduce")(squeezed)
    gate = layers.Dense(width, activation="sigmoid", name=f"{name}_gate")(squeezed)
    return layers.Multiply(name=f"{name}_scale")([x, gate])
