"""The relief of a face, whose slopes the light shades: nose, sockets, cheeks, lips, folds and furrows."""

import numpy as np

from ferkit.sources.synthetic.canvas import Plane, bump
from ferkit.sources.synthetic.face_shape import FaceShape
from ferkit.sources.synthetic.identity import Identity

__all__ = ["creases", "relief"]


def relief(u: Plane, v: Plane, lines: Plane, person: Identity, shape: FaceShape) -> Plane:
    """Height in head units of the skin above a smooth head, at face coordinates u, v; `lines` are its `creases`."""
    side = np.abs(u)
    right = 0.5 + 0.5 * np.tanh(8 * u)
    cheek = shape.cheek[0] + (shape.cheek[1] - shape.cheek[0]) * right
    corner = shape.corner[0] + (shape.corner[1] - shape.corner[0]) * right
    dimple = shape.dimple[0] + (shape.dimple[1] - shape.dimple[0]) * right
    length, width = person.nose_length, person.nose_width
    wings = length - shape.nostril_lift

    along = np.clip((v + 0.15) / (length + 0.15), 0, 1)
    end = np.clip((length + 0.12 - v) / 0.24, 0, 1)
    end = end * end * (3 - 2 * end)
    height: Plane = 0.17 * person.nose_height * along * end * np.exp(-0.5 * (u / (0.08 + 0.06 * along)) ** 2)
    height += 0.09 * person.nose_height * bump(u, v, (0, length - 0.07), (0.095, 0.1))
    height += 0.07 * bump(side, v, (width - 0.04, wings - 0.02), (0.06, 0.07))

    height += 0.05 * bump(side, v, (0.35, person.brow_height + 0.06), (0.3, 0.09))
    height -= 0.13 * bump(side, v, (person.eye_distance - 0.04, -0.04), (0.19, 0.13))
    height += 0.06 * bump(side, v, (person.eye_distance, 0.0), (0.13, 0.08))
    # AU6 lifts the cheek towards the eye and rounds it.
    height += (0.1 + 0.13 * cheek) * bump(side, v + 0.1 * cheek, (0.56, 0.5), (0.22, 0.2))
    height += 0.08 * bump(u, v, (0, shape.mouth_y), (0.3, 0.24))
    height += 0.1 * bump(u, v, (0, shape.chin - 0.2), (0.2, 0.13))
    height -= 0.05 * bump(u, v, (0, shape.mouth_y + shape.gap_down + 0.2), (0.17, 0.05))
    height -= 0.07 * dimple * bump(side, v, (shape.mouth_width + 0.13, shape.mouth_y + corner_at(shape)), (0.04, 0.1))
    height -= 0.02 * bump(side, v - corner, (shape.mouth_width + 0.04, shape.mouth_y), (0.05, 0.05))
    return height - 0.06 * lines


def corner_at(shape: FaceShape) -> float:
    """Height of the corners of the mouth below its middle, both sides together."""
    return 0.5 * (shape.corner[0] + shape.corner[1])


def creases(u: Plane, v: Plane, person: Identity, shape: FaceShape) -> Plane:
    """Depth 0..1 of the lines of the skin at face coordinates u, v."""
    side = np.abs(u)
    right = 0.5 + 0.5 * np.tanh(8 * u)
    fold = shape.fold[0] + (shape.fold[1] - shape.fold[0]) * right
    corner = shape.corner[0] + (shape.corner[1] - shape.corner[0]) * right
    depth = np.zeros_like(u)

    # Nasolabial fold: from the wing of the nose, around the corner of the mouth.
    top, bottom = person.nose_length - 0.08 - shape.nostril_lift, shape.mouth_y + 0.08
    t = np.clip((v - top) / (bottom - top), 0, 1)
    line = person.nose_width + 0.05 + (shape.mouth_width + 0.2 - person.nose_width) * t ** (1.1 - 0.35 * fold)
    ends = np.clip((v - top + 0.04) / 0.08, 0, 1) * np.clip((bottom + 0.06 - v + corner) / 0.15, 0, 1)
    depth += np.minimum(1, 0.12 + 0.25 * person.age + 0.6 * fold) * ends * np.exp(-0.5 * ((side - line) / 0.042) ** 2)

    if shape.frown > 0:  # AU4: two upright lines between the brows
        upright = bump(side, v, (0.07, shape.brow_inner - 0.02), (0.022, 0.1))
        depth += 1.1 * shape.frown * upright
    lines = 0.25 * person.age * (person.age > 0.5)
    across = shape.forehead * np.exp(-0.5 * (side / 0.3) ** 2) + shape.forehead_sides * np.clip(side / 0.35, 0, 1)
    if shape.forehead > 0 or lines > 0:  # AU1, AU2: lines across the forehead
        waves = np.clip(np.sin((v - 0.06 * np.cos(2.5 * u)) * 44), 0, 1) ** 2
        depth += (lines + 0.55 * across) * waves * bump(u, v, (0, -0.68), (0.42, 0.11))
    if shape.nose_wrinkle > 0:  # AU9: lines across the root of the nose, fanning out to the eyes
        waves = np.clip(np.sin((v + 0.5 * side) * 48), 0, 1) ** 2
        depth += 0.9 * shape.nose_wrinkle * waves * bump(u, v, (0, 0.12), (0.14, 0.14))
    if shape.crow > 0:  # AU6: crow's feet
        waves = np.clip(np.sin((v - 0.3 * (side - 0.6)) * 55), 0, 1) ** 2
        depth += 0.5 * shape.crow * (0.4 + person.age) * waves * bump(side, v, (0.76, 0.03), (0.07, 0.1))
    # The lower lid's bag: AU6, AU7 and AU9 press it up.
    curve = 0.1 + 0.05 * np.cos((side - person.eye_distance) * 6) - 0.02 * shape.lid_tension
    strength = 0.15 + 0.25 * person.age + 0.45 * shape.lid_tension
    depth += strength * bump(side, v - curve, (person.eye_distance - 0.03, 0.0), (0.13, 0.022))
    return depth
