"""Mixing pairs of training pictures and their labels: mixup and cutmix."""

from pydantic import Field

from ferkit.settings import Settings

__all__ = ["MixingSettings"]


class MixingSettings(Settings):
    """How pictures of a batch are mixed with each other; nothing is mixed by default.

    Attributes
    ----------
    mixup
        The share of the other picture is drawn from Beta(mixup, mixup) for each pair (Zhang et al., ICLR 2018, section
        2); 0 leaves it out, 0.2 is mild, 1 is uniform.
    cutmix
        A rectangle of the other picture takes its place instead, its area drawn from Beta(cutmix, cutmix) (Yun et al.,
        ICCV 2019, section 3.1). If both are on, each picture has an even chance of either.
    probability
        Of being mixed at all.
    """

    mixup: float = Field(0.0, ge=0)
    cutmix: float = Field(0.0, ge=0)
    probability: float = Field(1.0, ge=0, le=1)

    @property
    def on(self) -> bool:
        """Whether anything is mixed."""
        return self.probability > 0 and max(self.mixup, self.cutmix) > 0
