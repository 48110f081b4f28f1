"""Who is drawn, and how the picture is taken: everything that varies and is no expression."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

__all__ = ["Hair", "Identity", "Occlusion", "Scene"]

Hair = Literal["bald", "short", "parted", "fringe", "long", "hat"]
Glasses = Literal["none", "clear", "dark"]
Occlusion = Literal["none", "hand_chin", "hand_cheek", "scarf", "strand", "watermark"]


@dataclass(frozen=True)
class Identity:
    """A person. Lengths are in head units (half the width of the head), tones are albedos 0..1."""

    head_width: float
    jaw_power: float
    chin: float
    eye_distance: float
    eye_width: float
    eye_opening: float
    eye_tilt: float
    iris_tone: float
    brow_height: float
    brow_thickness: float
    brow_arch: float
    nose_width: float
    nose_length: float
    nose_height: float
    mouth_width: float
    lip_thickness: float
    lip_tone: float
    skin_tone: float
    hair_tone: float
    hair: Hair
    hairline: float
    glasses: Glasses
    beard: float
    moustache: float
    age: float
    lashes: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """A random person."""
        male = rng.random() < 0.5
        skin = float(np.clip(rng.beta(3.2, 1.6), 0.12, 0.95)) * 0.62 + 0.22
        hair_tone = float(rng.choice([0.05, 0.09, 0.16, 0.35, 0.6], p=[0.3, 0.3, 0.2, 0.12, 0.08]))
        if skin < 0.5:
            hair_tone = min(hair_tone, 0.08)
        styles: tuple[Hair, ...] = ("bald", "short", "parted", "fringe", "long", "hat")
        shares = [0.15, 0.45, 0.2, 0.1, 0.03, 0.07] if male else [0.0, 0.12, 0.23, 0.2, 0.4, 0.05]
        glasses: tuple[Glasses, ...] = ("none", "clear", "dark")
        age = float(rng.beta(1.2, 2.0))
        bearded = male and rng.random() < 0.35
        return cls(
            head_width=float(rng.normal(1.0, 0.045)),
            jaw_power=float(rng.uniform(2.15, 2.7) if male else rng.uniform(1.95, 2.35)),
            chin=float(rng.normal(1.56 if male else 1.48, 0.06)),
            eye_distance=float(rng.normal(0.435, 0.018)),
            eye_width=float(rng.normal(0.215, 0.013)),
            eye_opening=float(rng.normal(0.092, 0.011) + (0.0 if male else 0.008)),
            eye_tilt=float(rng.normal(-0.04, 0.06)),
            iris_tone=float(rng.choice([0.08, 0.14, 0.3], p=[0.5, 0.3, 0.2])),
            brow_height=float(rng.normal(-0.28 if male else -0.31, 0.02)),
            brow_thickness=float(rng.uniform(0.045, 0.075) if male else rng.uniform(0.022, 0.045)),
            brow_arch=float(rng.uniform(0.0, 0.05) if male else rng.uniform(0.03, 0.08)),
            nose_width=float(rng.normal(0.2, 0.022)),
            nose_length=float(rng.normal(0.64, 0.035)),
            nose_height=float(rng.uniform(0.75, 1.2)),
            mouth_width=float(rng.normal(0.37, 0.025)),
            lip_thickness=float(rng.normal(0.075 if male else 0.095, 0.014)),
            lip_tone=float(rng.uniform(0.62, 0.8) if male else rng.uniform(0.42, 0.72)),
            skin_tone=skin,
            hair_tone=hair_tone + (0.4 * age if age > 0.6 else 0.0),
            hair=styles[rng.choice(len(styles), p=shares)],
            hairline=float(rng.normal(-0.92, 0.07)),
            glasses=glasses[rng.choice(3, p=[0.87, 0.11, 0.02])],
            beard=float(rng.uniform(0.25, 0.9)) if bearded else 0.0,
            moustache=float(rng.uniform(0.3, 0.9)) if bearded or (male and rng.random() < 0.08) else 0.0,
            age=age,
            lashes=float(rng.uniform(0.3, 0.6) if male else rng.uniform(0.6, 1.0)),
        )


@dataclass(frozen=True)
class Scene:
    """Pose (radians; head units), light, and what the camera did."""

    roll: float
    yaw: float
    pitch: float
    scale: float
    centre: tuple[float, float]
    gaze: tuple[float, float]
    light: tuple[float, float, float]
    ambient: float
    exposure: float
    contrast: float
    background: tuple[float, float, float]
    clutter: float
    clothes: float
    occlusion: Occlusion
    blur: float
    noise: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """A random photograph."""
        light = np.array([rng.normal(0, 0.55), rng.normal(-0.45, 0.3), 1.0])
        light /= np.linalg.norm(light)
        occlusions: tuple[Occlusion, ...] = ("none", "hand_chin", "hand_cheek", "scarf", "strand", "watermark")
        base = float(rng.choice([0.03, 0.2, 0.5, 0.95])) + float(rng.normal(0, 0.05))
        return cls(
            roll=float(rng.normal(0, 0.11)),
            yaw=float(np.clip(rng.normal(0, 0.2), -0.45, 0.45)),
            pitch=float(np.clip(rng.normal(0.0, 0.08), -0.2, 0.2)),
            scale=float(np.clip(rng.normal(0.82, 0.05), 0.68, 0.98)),
            centre=(float(rng.normal(0, 0.035)), float(rng.normal(-0.26, 0.04))),
            gaze=(float(rng.normal(0, 0.16)), float(rng.normal(0, 0.08))),
            light=(float(light[0]), float(light[1]), float(light[2])),
            ambient=float(rng.uniform(0.2, 0.5)),
            exposure=float(rng.normal(1.12, 0.12)),
            contrast=float(rng.uniform(0.85, 1.25)),
            background=(base, float(rng.normal(0, 0.08)), float(rng.normal(0, 0.08))),
            clutter=float(rng.choice([0.0, 0.12, 0.3], p=[0.4, 0.4, 0.2])),
            clothes=float(rng.uniform(0.05, 0.9)),
            occlusion=occlusions[rng.choice(6, p=[0.82, 0.04, 0.04, 0.02, 0.05, 0.03])],
            blur=float(rng.choice([0.0, 0.4, 0.8], p=[0.6, 0.3, 0.1])),
            noise=float(min(rng.gamma(1.2, 0.007), 0.03)),
        )
