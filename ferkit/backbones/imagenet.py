"""Networks of keras.applications, trained on ImageNet. Their weights come through our own lookup, not through Keras."""

from typing import TYPE_CHECKING, Any

from ferkit.backbones.registry import Head, Preprocessing, Weights, register

if TYPE_CHECKING:
    from ferkit.backbones.settings import BackboneSettings

__all__ = ["efficientnet_b3", "efficientnet_b4", "resnet50"]

# Files, addresses and checksums: keras.src.applications.resnet and .efficientnet, WEIGHTS_HASHES of Keras 3.15.
_STORE = "https://storage.googleapis.com/"
_IMAGENET = "; trained on ImageNet, whose pictures are for non-commercial research"

# keras.src.applications.efficientnet.IMAGENET_STDDEV_RGB
_STDDEV_RGB = (0.229, 0.224, 0.225)
_EFFICIENTNET = Preprocessing("0..255, normalised inside the network", mean=(0.0, 0.0, 0.0))


@register(
    "resnet50",
    summary="ResNet50 trained on ImageNet",
    input_size=224,
    min_size=32,
    preprocessing=Preprocessing("caffe: BGR minus the ImageNet mean", mean=(103.939, 116.779, 123.68), bgr=True),
    head=Head(),
    parameters=23_587_712,
    weights=Weights(
        file="resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        url=f"{_STORE}tensorflow/keras-applications/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        md5="4d473c1dd8becc155b73f8504c6f6626",
        licence="MIT" + _IMAGENET,
        source="He et al., CVPR 2016; published by keras.applications",
    ),
)
def resnet50(size: int, _settings: "BackboneSettings") -> Any:
    """(size, size, 3) to a map of 2,048 channels."""
    import keras

    return keras.applications.ResNet50(include_top=False, weights=None, input_shape=(size, size, 3))


def _efficientnet_weights(variant: str, md5: str) -> Weights:
    file = f"efficientnet{variant}_notop.h5"
    return Weights(
        file=file,
        url=f"{_STORE}keras-applications/{file}",
        md5=md5,
        licence="Apache-2.0" + _IMAGENET,
        source="Tan and Le, ICML 2019; published by keras.applications",
    )


def _scale_as_trained(backbone: Any) -> None:
    """Divide the normalised picture by the square root of ImageNet's standard deviation, once more.

    keras.applications puts a layer for it into the network if, and only if, it fetches the ImageNet weights itself
    (tensorflow/tensorflow#49930). The same number in the variance of the normalisation needs no layer.
    """
    from keras import ops

    (normalization,) = (layer for layer in backbone.layers if type(layer).__name__ == "Normalization")
    variance = normalization.adapt_variance
    variance.assign(variance * ops.convert_to_tensor(_STDDEV_RGB, variance.dtype))
    normalization.finalize_state()


@register(
    "efficientnet_b3",
    summary="EfficientNet-B3 trained on ImageNet",
    input_size=300,
    min_size=32,
    preprocessing=_EFFICIENTNET,
    head=Head(dropout=0.3),
    parameters=10_783_535,
    weights=_efficientnet_weights("b3", "af6d107764bb5b1abb91932881670226"),
    finish=_scale_as_trained,
)
def efficientnet_b3(size: int, _settings: "BackboneSettings") -> Any:
    """(size, size, 3) to a map of 1,536 channels."""
    import keras

    return keras.applications.EfficientNetB3(include_top=False, weights=None, input_shape=(size, size, 3))


@register(
    "efficientnet_b4",
    summary="EfficientNet-B4 trained on ImageNet",
    input_size=380,
    min_size=32,
    preprocessing=_EFFICIENTNET,
    head=Head(dropout=0.4),
    parameters=17_673_823,
    weights=_efficientnet_weights("b4", "ebc24e6d6c33eaebbd558eafbeedf1ba"),
    finish=_scale_as_trained,
)
def efficientnet_b4(size: int, _settings: "BackboneSettings") -> Any:
    """(size, size, 3) to a map of 1,792 channels."""
    import keras

    return keras.applications.EfficientNetB4(include_top=False, weights=None, input_shape=(size, size, 3))
