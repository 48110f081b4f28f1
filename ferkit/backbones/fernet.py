"""fernet: a VGG-style network for 48x48 grey faces, trained from scratch."""

from typing import TYPE_CHECKING, Any

from ferkit.backbones.registry import Head, Preprocessing, register

if TYPE_CHECKING:
    from ferkit.backbones.settings import BackboneSettings

__all__ = ["fernet"]

_DEFAULT_WIDTH = 32
_BLOCK_DROPOUT = 0.2


@register(
    "fernet",
    summary="VGG-style, 4 blocks of two 3x3 convolutions with BatchNorm, from scratch",
    input_size=48,
    min_size=16,
    preprocessing=Preprocessing("grey, about -2..2", mean=(128.0,), scale=1 / 64),
    head=Head(dropout=0.5),
    parameters=1_174_560,
    default_width=_DEFAULT_WIDTH,
)
def fernet(size: int, settings: "BackboneSettings") -> Any:
    """Four blocks of (convolution, BatchNorm, ReLU) twice, `width`, 2, 4 and 8 times `width` channels.

    A maximum pool and a dropout lie between the blocks, so that 48x48 pictures end as a 6x6 map.
    """
    import keras
    from keras import layers

    width = settings.width or _DEFAULT_WIDTH
    picture = x = keras.Input((size, size, 1))
    for block, factor in enumerate((1, 2, 4, 8), start=1):
        if block > 1:
            x = layers.MaxPooling2D(name=f"pool{block - 1}")(x)
            x = layers.Dropout(_BLOCK_DROPOUT, name=f"drop{block - 1}")(x)
        for number in (1, 2):
            name = f"conv{block}_{number}"
            x = layers.Conv2D(
                factor * width, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
            )(x)
            x = layers.BatchNormalization(name=f"{name}_bn")(x)
            x = layers.Activation("relu", name=f"{name}_relu")(x)
    return keras.Model(picture, x)
