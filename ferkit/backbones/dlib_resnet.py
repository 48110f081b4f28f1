"""dlib's face-recognition ResNet: the face backbone whose weights come with a package of the Python registry."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkit.backbones.dlib_file import fill
from ferkit.backbones.registry import Head, PackagedWeights, Preprocessing, Weights, register
from ferkit.backbones.stages import stage_features

if TYPE_CHECKING:
    from ferkit.backbones.settings import BackboneSettings

__all__ = ["dlib_resnet"]

_SIZE = 112
# (channels, blocks) of each stage, from the type `anet_type` of dlib's examples/dnn_face_recognition_ex.cpp.
_STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
# dlib's affine layers have no epsilon: the converted variance is 1 minus this one.
_EPSILON = 1e-3


def _convert(source: Path, target: Path) -> None:
    """Write the network that dlib serialised as `source` to `target`, the Keras weights of all stages."""
    network = _network(_SIZE, len(_STAGES), None)
    fill(network, source)
    network.save_weights(target)


@register(
    "dlib_resnet",
    summary="dlib's face-recognition ResNet, 29 convolutions, trained by King on 3 million faces",
    input_size=_SIZE,
    min_size=48,
    preprocessing=Preprocessing("RGB minus dlib's mean, over 256", mean=(122.782, 117.001, 104.298), scale=1 / 256),
    head=Head(),
    parameters=5_588_928,
    folded_batch_norm=True,
    bfloat16_on_cpu=True,
    default_depth=len(_STAGES),
    weights=Weights(
        file="dlib_face_resnet.weights.h5",
        url=None,
        licence="CC0 1.0 (the weights; not the pictures that they were trained on)",
        source="Davis King's dlib_face_recognition_resnet_model_v1 of 2017, trained on FaceScrub, VGG Face, the web; "
        "in the package face_recognition_models, which ferkit[dlib] installs",
        package=PackagedWeights(
            package="face_recognition_models",
            file="models/dlib_face_recognition_resnet_model_v1.dat",
            sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
            extra="dlib",
            convert=_convert,
        ),
    ),
)
def dlib_resnet(size: int, settings: "BackboneSettings") -> Any:
    """A stem and five stages of residual blocks; (size, size, 3) to a map of 256 channels.

    A stage but the first begins by halving the map. `depth` keeps that many stages; with `stages` the maps of those are
    pooled and laid side by side, (size, size, 3) to as many features as they have channels together.
    """
    return _network(size, settings.depth or len(_STAGES), settings.stages)


def _network(size: int, depth: int, pooled: tuple[int, ...] | None) -> Any:
    import keras
    from keras import layers

    picture = keras.Input((size, size, 3))
    x = layers.Conv2D(_STAGES[0][0], 7, 2, name="stem_conv")(picture)
    x = layers.Activation("relu", name="stem_relu")(_normalised(x, "stem"))
    x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)
    maps = []
    for stage, (channels, blocks) in enumerate(_STAGES[:depth], start=1):
        for block in range(1, blocks + 1):
            x = _residual(x, channels, f"stage{stage}_block{block}", halves=stage > 1 and block == 1)
        maps.append(x)
    return keras.Model(picture, stage_features(maps, pooled))


def _residual(x: Any, channels: int, name: str, *, halves: bool) -> Any:
    """Two 3x3 convolutions and a shortcut; halving, the shortcut is a 2x2 average, and nothing is padded."""
    from keras import layers

    shortcut = x
    if halves:
        # dlib stops at a map that is smaller than the kernel; a frame of zeros lets small pictures through.
        x = _framed(x, 3)
        shortcut = layers.AveragePooling2D(2, 2, name=f"{name}_shortcut")(x)
    stride, padding = (2, "valid") if halves else (1, "same")
    x = layers.Conv2D(channels, 3, stride, padding=padding, name=f"{name}_1_conv")(x)
    x = layers.Activation("relu", name=f"{name}_1_relu")(_normalised(x, f"{name}_1"))
    x = layers.Conv2D(channels, 3, padding="same", name=f"{name}_2_conv")(x)
    x = _normalised(x, f"{name}_2")
    side = max(x.shape[1], shortcut.shape[1])
    x = layers.Add(name=f"{name}_add")([_filled(x, side, channels), _filled(shortcut, side, channels)])
    return layers.Activation("relu", name=f"{name}_relu")(x)


def _normalised(x: Any, name: str) -> Any:
    from keras import layers

    return layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(x)


def _framed(x: Any, least: int) -> Any:
    """Zeros around a map whose side is below `least`."""
    from keras import ops

    missing = least - x.shape[1]
    if missing <= 0:
        return x
    before, after = missing // 2, missing - missing // 2
    return ops.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))


def _filled(x: Any, side: int, channels: int) -> Any:
    """Zeros below, at the right and as further channels, as dlib adds maps of different shapes."""
    from keras import ops

    _, height, width, depth = x.shape
    if (height, width, depth) == (side, side, channels):
        return x
    return ops.pad(x, ((0, 0), (0, side - height), (0, side - width), (0, channels - depth)))
