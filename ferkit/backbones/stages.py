"""What a backbone whose depth is a setting gives of its stages."""

from collections.abc import Sequence
from typing import Any

__all__ = ["stage_features"]


def stage_features(maps: Sequence[Any], stages: tuple[int, ...] | None) -> Any:
    """The last of `maps`, or those of `stages`, counted from 1, pooled and laid side by side.

    Parameters
    ----------
    maps
        Of each stage that is kept, symbolic, (B, height, width, channels).
    stages
        As `BackboneSettings.stages`; None for the last map as it is.

    Returns
    -------
    Symbolic, (B, height, width, channels) or (B, features).
    """
    from keras import layers

    if stages is None:
        return maps[-1]
    features = [layers.GlobalAveragePooling2D(name=f"stage{stage}_pool")(maps[stage - 1]) for stage in stages]
    return layers.Concatenate(name="stages")(features) if len(features) > 1 else features[0]
