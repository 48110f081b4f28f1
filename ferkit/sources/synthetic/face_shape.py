"""Where the parts of a face lie: a person's features, moved by the contracted action units.

What each AU does follows FACS' descriptions of its appearance changes (Ekman, Friesen & Hager, 2002).
Face coordinates: the origin midway between the eyes, x to the right of the picture, y down, 1 is half a head's width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from ferkit.sources.synthetic.identity import Identity

__all__ = ["FaceShape"]


@dataclass(frozen=True)
class FaceShape:
    """Features of one face; a pair is the left and the right of the picture.

    Attributes
    ----------
    brow_inner, brow_outer
        Height of the ends of the brows.
    brow_gap
        Distance of their inner ends from the middle.
    upper_lid, lower_lid
        How far the lids are from the middle of the eye.
    mouth_y, mouth_width
        Middle of the mouth, and half its width.
    corner
        How far the corners of the mouth are below its middle.
    corner_out
        How much farther out than `mouth_width` each corner is.
    gap_up, gap_down
        How far the lips are parted above and below the line between the corners.
    gap_power
        Shape of the opening: 2 is a lens, more is squarer.
    lip_up, lip_down
        Thickness of the lips.
    teeth_up, teeth_down
        Share of the opening that each row of teeth fills.
    chin
        Height of the tip of the chin.
    cheek, fold, dimple
        Strength of the raised cheek, of the fold from nose to mouth, and of the dimple beside the mouth's corner.
    frown, forehead, forehead_sides, nose_wrinkle, crow, lid_tension
        Strength of furrows: between the brows, across the forehead, over the nose, beside the eyes, below them.
    nostril_lift
        How far the wings of the nose are drawn up.
    """

    brow_inner: float
    brow_outer: float
    brow_gap: float
    upper_lid: float
    lower_lid: float
    mouth_y: float
    mouth_width: float
    corner: tuple[float, float]
    corner_out: tuple[float, float]
    gap_up: float
    gap_down: float
    gap_power: float
    lip_up: float
    lip_down: float
    teeth_up: float
    teeth_down: float
    chin: float
    cheek: tuple[float, float]
    fold: tuple[float, float]
    dimple: tuple[float, float]
    frown: float
    forehead: float
    forehead_sides: float
    nose_wrinkle: float
    crow: float
    lid_tension: float
    nostril_lift: float

    @classmethod
    def pose(cls, person: Identity, au: Mapping[int, float], side: int = 0, parting: float = 0.5) -> Self:
        """The face of `person` with action units contracted.

        Parameters
        ----------
        au
            Intensity 0..1 of each AU in `ferkit.sources.synthetic.action_units.ACTION_UNITS`.
        side
            -1 or 1 if AU12 and AU14 act on the left or the right of the picture only, 0 if on both.
        parting
            0..1: how readily this person's lips part where an expression leaves it open.
        """
        shares = {-1: (1.0, 0.0), 0: (1.0, 1.0), 1: (0.0, 1.0)}[side]
        pull = (au[12] * shares[0], au[12] * shares[1])
        dimple = (au[14] * shares[0], au[14] * shares[1])

        # A smile shows teeth as it grows; a one-sided one keeps the lips closed.
        smile = au[12] if side == 0 else 0.0
        laugh = max(0.0, smile - 0.75 + 0.5 * parting)
        width = person.mouth_width * (1 + 0.3 * smile + 0.24 * au[20] - 0.3 * au[26] * (1 - au[20]) - 0.14 * au[23])
        # The jaw takes the corners of the mouth down with it, which makes the opening an O.
        drop = 0.36 * au[26] * (1 - 0.35 * au[20])
        thin = 1 - 0.5 * au[23] - 0.25 * au[20] - 0.25 * smile
        up = person.lip_thickness * 0.8 * thin * (1 - 0.3 * au[9])
        down = person.lip_thickness * 1.15 * thin * (1 - 0.15 * au[16])
        return cls(
            brow_inner=person.brow_height + 0.04 - 0.15 * au[1] + 0.17 * au[4] * (1 - 0.8 * au[1]) + 0.07 * au[9],
            brow_outer=person.brow_height + 0.04 - 0.16 * au[2] + 0.03 * au[4] + 0.06 * (au[1] * au[4] * (1 - au[2])),
            brow_gap=0.2 - 0.085 * au[4] - 0.02 * au[9],
            upper_lid=person.eye_opening
            * (
                1
                + 0.75 * au[5] * (1 - 0.45 * au[7])
                - 0.35 * au[7]
                - 0.3 * au[9]
                - 0.15 * au[6]
                - 0.25 * au[15] * au[1]
            ),
            lower_lid=person.eye_opening * 0.62 * (1 - 0.75 * au[6] - 0.5 * au[7] - 0.5 * au[9] + 0.15 * au[5]),
            mouth_y=1.02 - 0.05 * smile - 0.03 * au[9] + 0.02 * au[15],
            mouth_width=width,
            corner=(
                -0.2 * pull[0] + 0.02 * dimple[0] + 0.15 * au[15] + 0.04 * au[20] + 0.28 * drop,
                -0.2 * pull[1] + 0.02 * dimple[1] + 0.15 * au[15] + 0.04 * au[20] + 0.28 * drop,
            ),
            corner_out=(0.09 * dimple[0], 0.09 * dimple[1]),
            gap_up=0.16 * drop + 0.05 * laugh + 0.05 * au[9] + 0.02 * au[20],
            gap_down=0.9 * drop + 0.2 * laugh + 0.09 * au[16] + 0.03 * au[20],
            gap_power=2.0 + 1.6 * au[20] + 1.5 * au[16],
            lip_up=up,
            lip_down=down,
            teeth_up=0.75 * (laugh > 0) + 0.25 * au[20] + 0.15 * au[26] * (1 - au[20]),
            teeth_down=0.6 * au[16] + 0.25 * au[20],
            chin=person.chin + 0.75 * drop + 0.05 * laugh,
            cheek=(au[6] * 0.7 + pull[0] * 0.3, au[6] * 0.7 + pull[1] * 0.3),
            fold=(pull[0] + 0.85 * au[9] + 0.25 * au[20], pull[1] + 0.85 * au[9] + 0.25 * au[20]),
            dimple=dimple,
            frown=au[4] * (1 - 0.35 * au[1] - 0.3 * au[2]) + 0.3 * au[9],
            forehead=au[1],
            forehead_sides=au[2],
            nose_wrinkle=au[9],
            crow=au[6],
            lid_tension=max(au[6] * 0.8, au[7], au[9] * 0.7),
            nostril_lift=0.06 * au[9] + 0.02 * au[16],
        )
