"""The three VGGFace networks of keras-vggface: VGG16, and ResNet50 and SENet50 trained on VGGFace2."""

from typing import TYPE_CHECKING, Any

from ferkit.backbones.registry import Head, Preprocessing, Weights, register

if TYPE_CHECKING:
    from ferkit.backbones.settings import BackboneSettings

__all__ = ["vggface", "vggface2", "vggface2_senet"]

# keras_vggface.utils.preprocess_input, versions 1 and 2.
_VERSION_1 = Preprocessing("VGGFace: BGR minus the mean face", mean=(93.5940, 104.7624, 129.1863), bgr=True)
_VERSION_2 = Preprocessing("VGGFace2: BGR minus the mean face", mean=(91.4953, 103.8827, 131.0912), bgr=True)

# keras_vggface.utils; README, section Licence.
_RELEASE = "https://github.com/rcmalli/keras-vggface/releases/download/v2.0/"
_LICENCE = "non-commercial research, Creative Commons Attribution (keras-vggface's README on the original models)"

_HEAD_2 = Head(hidden=(2048, 1024))


def _weights(architecture: str, source: str) -> Weights:
    file = f"rcmalli_vggface_tf_notop_{architecture}.h5"
    return Weights(file=file, url=_RELEASE + file, licence=_LICENCE, source=f"{source}; converted by keras-vggface")


@register(
    "vggface",
    summary="VGG16 trained on the 2,622 identities of VGGFace",
    input_size=224,
    min_size=48,
    preprocessing=_VERSION_1,
    head=Head(hidden=(512, 128), batch_norm=True),
    parameters=14_714_688,
    weights=_weights("vgg16", "Parkhi et al., Deep Face Recognition, BMVC 2015"),
)
def vggface(size: int, _settings: "BackboneSettings") -> Any:
    """(size, size, 3) to a map of 512 channels, 7x7 for 224."""
    return _build("VGG16", size, pooling=None)


@register(
    "vggface2",
    summary="ResNet50 trained on the 8,631 identities of VGGFace2",
    input_size=224,
    min_size=48,
    preprocessing=_VERSION_2,
    head=_HEAD_2,
    parameters=23_561_152,
    weights=_weights("resnet50", "Cao et al., VGGFace2, FG 2018"),
)
def vggface2(size: int, _settings: "BackboneSettings") -> Any:
    """(size, size, 3) to 2,048 pooled features."""
    return _build("RESNET50", size, pooling="avg")


@register(
    "vggface2_senet",
    summary="SENet50 trained on the 8,631 identities of VGGFace2",
    input_size=224,
    min_size=48,
    preprocessing=_VERSION_2,
    head=_HEAD_2,
    parameters=26_092_144,
    weights=_weights("senet50", "Cao et al., VGGFace2, FG 2018"),
)
def vggface2_senet(size: int, _settings: "BackboneSettings") -> Any:
    """(size, size, 3) to 2,048 pooled features."""
    return _build("SENET50", size, pooling="avg")


def _build(architecture: str, size: int, pooling: str | None) -> Any:
    from ferkit.backbones.keras_vggface_compat import vggface_models

    return getattr(vggface_models(), architecture)(
        include_top=False, weights=None, input_shape=(size, size, 3), pooling=pooling
    )
