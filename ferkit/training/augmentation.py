"""Random changes of training pictures, on the device, before they are resized.

All geometry is one warp with one bilinear interpolation, so that a picture is blurred once and not three times. It is
written in plain `keras.ops`: a few gathers for the whole batch under every backend, where
`keras.ops.image.affine_transform` would loop over the pictures under PyTorch.
"""

from typing import TYPE_CHECKING

from pydantic import Field

from ferkit.settings import Settings

if TYPE_CHECKING:
    import keras

__all__ = ["NO_AUGMENTATION", "AugmentationSettings", "build_augmentation"]


class AugmentationSettings(Settings):
    """How far training pictures are changed at random; 0 turns each of them off.

    Attributes
    ----------
    flip : probability
        Left and right exchanged.
    rotation : degrees
        Uniform in -rotation..rotation, about the centre.
    shift : fraction of the side
        Uniform in -shift..shift, along each axis on its own.
    zoom
        Size uniform in 1 - zoom..1 + zoom, the same for both axes. A warp fills what it uncovers with the mirror
        image.
    contrast
        Factor uniform in 1 - contrast..1 + contrast, about the picture's mean.
    brightness : fraction of 255
        Added, uniform in -brightness..brightness.
    erasing : probability
        That one rectangle is filled with noise (random erasing, Zhong et al. 2017, arXiv:1708.04896, algorithm 1).
    erasing_area : fraction of the picture
        Largest area of that rectangle; the smallest is 0.02, its aspect ratio lies in 0.3..3.3 as in the paper.
    """

    flip: float = Field(default=0.5, ge=0, le=1)
    rotation: float = Field(default=10.0, ge=0, le=180)
    shift: float = Field(default=0.1, ge=0, lt=1)
    zoom: float = Field(default=0.1, ge=0, lt=1)
    contrast: float = Field(default=0.0, ge=0, le=1)
    brightness: float = Field(default=0.0, ge=0, le=1)
    erasing: float = Field(default=0.0, ge=0, le=1)
    erasing_area: float = Field(default=0.2, ge=0.02, le=1)

    @property
    def on(self) -> bool:
        """Whether pictures are changed at all."""
        return any(self.model_dump(exclude={"erasing_area"}).values())


# Pictures stay as they are.
NO_AUGMENTATION = AugmentationSettings(flip=0, rotation=0, shift=0, zoom=0)


def build_augmentation(settings: AugmentationSettings, seed: int) -> "keras.layers.Layer":
    """A layer that changes (B, H, W, channels) pictures of 0..255, float or uint8, and keeps their type and range.

    It works in training (``training=True``, or inside ``fit``) and passes pictures through in inference. Each call
    draws anew; two layers with one seed draw the same.
    """
    from ferkit.training.augmentation_layer import Augmentation

    return Augmentation(**settings.model_dump(), seed=seed)
