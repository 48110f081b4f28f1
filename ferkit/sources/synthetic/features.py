"""Eyes, brows and mouth, painted on the shaded skin."""

import numpy as np

from ferkit.sources.synthetic.canvas import Plane, band, bump
from ferkit.sources.synthetic.face_shape import FaceShape
from ferkit.sources.synthetic.identity import Identity

__all__ = ["paint_brows", "paint_eyes", "paint_mouth", "paint_nostrils"]


def paint_eyes(
    tone: Plane, light: Plane, u: Plane, v: Plane, person: Identity, shape: FaceShape, gaze: tuple[float, float]
) -> Plane:
    """Lids, lashes, white, iris and pupil over the picture `tone`; `light` is how lit each pixel is."""
    side = np.abs(u)
    x = (side - person.eye_distance) / person.eye_width
    y = v - person.eye_tilt * (side - person.eye_distance)
    lens = np.sqrt(np.clip(1 - x * x, 0, 1))
    # Highest point of the upper lid nearer the nose, of the lower lid nearer the temple.
    upper = -shape.upper_lid * lens * (1 - 0.12 * x)
    lower = shape.lower_lid * lens * (1 + 0.15 * x)
    outside = np.maximum(np.maximum(upper - y, y - lower), (np.abs(x) - 1) * 0.2)
    opening = band(outside, 0.035)

    # Lid crease and the lid's shade
    crease = np.exp(-0.5 * ((y - upper * 0.75 + 0.075) / 0.02) ** 2) * np.clip(1.15 - np.abs(x), 0, 1)
    tone = tone * (1 - 0.4 * crease)
    radius = 0.098
    across = u - np.sign(u) * person.eye_distance - gaze[0] * 0.2 * person.eye_width * 2
    down = y + 0.012 - gaze[1] * 0.1
    distance = np.sqrt(across**2 + down**2)
    iris = band(distance - radius, 0.03)
    pupil = band(distance - 0.042, 0.025)
    white = 0.78 * light * (1 - 0.35 * np.abs(x)) * (1 - 0.5 * np.exp(-(y - upper) / 0.035))
    ball = white + iris * (person.iris_tone * (0.7 + 3 * distance) - white)
    ball = ball * (1 - 0.85 * pupil)
    glint = bump(across, down, (-0.035, -0.035), (0.018, 0.018))
    ball = ball + 0.8 * glint * (1 - ball)
    tone = tone + opening * (ball - tone)

    ends = np.clip(1.12 - np.abs(x), 0, 0.12) / 0.12
    lash = np.exp(-0.5 * ((y - upper) / (0.018 + 0.01 * person.lashes)) ** 2) * ends
    lower_lash = np.exp(-0.5 * ((y - lower) / 0.014) ** 2) * ends
    return tone * (1 - (0.55 + 0.4 * person.lashes) * lash) * (1 - 0.4 * lower_lash)


def paint_brows(
    tone: Plane, light: Plane, u: Plane, v: Plane, person: Identity, shape: FaceShape, grain: Plane
) -> Plane:
    """Brows; `grain` is noise that breaks them into hairs."""
    side = np.abs(u)
    inner, outer = shape.brow_gap, person.eye_distance + 0.33
    t = (side - inner) / (outer - inner)
    inside = np.clip(t, 0, 1)
    middle = (
        shape.brow_inner
        + (shape.brow_outer - shape.brow_inner) * inside
        - person.brow_arch * np.sin(np.pi * np.minimum(inside * 1.05, 1))
    )
    middle = middle + 0.1 * np.clip(inside - 0.7, 0, 1)
    half = person.brow_thickness * (0.95 - 0.6 * inside**2)
    distance = np.maximum(np.abs(v - middle) - half, np.maximum(-t, t - 1) * (outer - inner))
    cover: Plane = band(distance, 0.05) * np.clip(0.82 + 0.15 * grain, 0, 1)
    hair = (0.35 * person.skin_tone * (person.hair_tone > 0.3) + min(person.hair_tone, 0.25)) * (0.5 + 0.5 * light)
    return tone + cover * (hair - tone)


def paint_nostrils(tone: Plane, u: Plane, v: Plane, person: Identity, shape: FaceShape) -> Plane:
    """Nostrils, and the shadow below the nose."""
    side = np.abs(u)
    base = person.nose_length + 0.01 - 0.6 * shape.nostril_lift
    holes = bump(side, v, (0.55 * person.nose_width, base), (0.05, 0.024))
    shadow = bump(u, v, (0, base + 0.06), (0.15, 0.06))
    wing = bump(side, v, (person.nose_width + 0.025, base - 0.06), (0.02, 0.05))
    shaded: Plane = tone * (1 - 0.6 * holes) * (1 - 0.16 * shadow) * (1 - 0.15 * wing)
    return shaded


def paint_mouth(tone: Plane, light: Plane, u: Plane, v: Plane, person: Identity, shape: FaceShape) -> Plane:
    """Lips, the opening between them, teeth and tongue."""
    width = (
        shape.mouth_width
        + shape.corner_out[0]
        + (shape.corner_out[1] - shape.corner_out[0]) * (u > 0).astype(np.float32)
    )
    x = u / width
    right = 0.5 + 0.5 * np.tanh(5 * x)
    corner = shape.corner[0] + (shape.corner[1] - shape.corner[0]) * right
    reach = np.minimum(np.abs(x), 1.15)
    line = shape.mouth_y + corner * reach**1.7
    lens = np.clip(1 - reach**shape.gap_power, 0, 1) ** 0.75
    top, bottom = line - shape.gap_up * lens, line + shape.gap_down * lens

    # The upper lip has its two peaks beside the middle.
    bow = np.clip(1 - reach**1.6, 0, 1) * (1 - 0.22 * np.exp(-0.5 * (x / 0.13) ** 2))
    full = np.sqrt(np.clip(1 - reach**2.2, 0, 1))
    upper_edge, lower_edge = top - shape.lip_up * bow, bottom + shape.lip_down * full
    end = (np.abs(x) - 1) * width
    lips = band(np.maximum(np.maximum(upper_edge - v, v - lower_edge), end), 0.035)
    lit = 1.08 - 0.28 * (v < 0.5 * (top + bottom)).astype(np.float32)
    gloss = 0.12 * bump(u, v - lower_edge, (0, -0.6 * shape.lip_down), (0.15, 0.025))
    lip_tone = person.lip_tone * person.skin_tone * light * lit + gloss * light
    tone = tone * (1 - 0.22 * bump(u, v - lower_edge, (0, 0.05), (0.2, 0.035)))
    tone = tone + lips * (lip_tone - tone)

    opening = band(np.maximum(np.maximum(top - v, v - bottom), end), 0.03)
    height = np.maximum(bottom - top, 1e-3)
    inside = 0.05 + 0.16 * light * bump(u, v - bottom, (0, -0.05), (0.55 * shape.mouth_width, 0.08))
    bright = 0.85 * light * (1 - 0.45 * reach**2)
    upper_teeth = band(v - top - shape.teeth_up * height, 0.03) * (shape.teeth_up > 0)
    lower_teeth = band(bottom - shape.teeth_down * height - v, 0.03) * (shape.teeth_down > 0)
    teeth = np.maximum(upper_teeth, lower_teeth) * np.clip((1.0 - reach) / 0.2, 0, 1)
    tone = tone + opening * (inside + teeth * (bright - inside) - tone)

    # Where the lips meet there is a dark line, also with the mouth shut; it ends in the corners' shadow.
    parted = np.minimum(1, height / 0.05)
    seam = np.exp(-0.5 * ((v - line) / 0.017) ** 2) * band(end - 0.02, 0.06)
    tone = tone * (1 - 0.62 * seam * (1 - parted * (reach < 0.9)))
    pit = bump(np.abs(end), v - line, (0, 0), (0.03, 0.028))
    return tone * (1 - 0.5 * pit)
