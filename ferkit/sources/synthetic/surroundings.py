"""What is around and in front of a face: background, clothes, hair, hat, glasses, beard, hands."""

import numpy as np

from ferkit.sources.synthetic.canvas import Plane, band, bump, smooth_noise
from ferkit.sources.synthetic.face_shape import FaceShape
from ferkit.sources.synthetic.identity import Identity, Scene

__all__ = ["background", "paint_beard", "paint_ears", "paint_glasses", "paint_hair", "paint_occlusion"]


def background(
    px: Plane, py: Plane, x: Plane, y: Plane, scene: Scene, person: Identity, rng: np.random.Generator
) -> Plane:
    """Background, neck and shoulders: what the head is drawn over. px, py are frame, x, y head coordinates."""
    base, right, down = scene.background
    tone = base + right * px + down * py
    if scene.clutter > 0:
        tone = tone + scene.clutter * smooth_noise(rng, (3, 4))
    neck = band(np.maximum(np.abs(x) - 0.62, 0.6 - y), 0.06)
    skin = person.skin_tone * (0.42 + 0.15 * x * float(np.sign(scene.light[0])))
    tone = tone + neck * (skin - tone)
    shoulders = band(1.75 + 0.2 * x * x - y - 0.3 * np.abs(x), 0.06)
    return np.clip(tone + shoulders * (scene.clothes * 0.8 - tone), 0.0, 1.0)


def paint_ears(tone: Plane, x: Plane, y: Plane, person: Identity, scene: Scene) -> Plane:
    """Ears, behind the head; a head that is turned hides one."""
    turned = np.clip(1 - 5 * scene.yaw * np.sign(x), 0, 1)
    across, down = (np.abs(x) - person.head_width - 0.03) / 0.13, (y - 0.14 - 0.1 * np.abs(x)) / 0.3
    radius = across * across + down * down
    ear = band((np.sqrt(radius) - 1) * 0.13, 0.05) * turned
    tone_of_ear = person.skin_tone * (0.62 + 0.3 * x * scene.light[0]) * (1 - 0.4 * np.exp(-6 * radius))
    return tone + ear * (tone_of_ear - tone)


def paint_hair(
    tone: Plane,
    x: Plane,
    y: Plane,
    u: Plane,
    v: Plane,
    face: Plane,
    person: Identity,
    scene: Scene,
    rng: np.random.Generator,
) -> Plane:
    """Hair or a hat over head and background. `face` covers the head's skin."""
    if person.hair == "bald":
        return tone
    strands = smooth_noise(rng, (8, 40)) * 0.5 + smooth_noise(rng, (16, 24)) * 0.4
    sheen = np.exp(-0.5 * ((y + 1.05) / 0.22) ** 2)
    hair = person.hair_tone * (0.75 + 0.35 * strands) * (0.75 + 0.5 * scene.light[0] * x) + 0.12 * sheen * (
        0.4 + 0.3 * strands
    )
    # Outline of the whole head of hair, then the line where the forehead begins.
    volume = {"short": 0.08, "parted": 0.14, "fringe": 0.14, "long": 0.2, "hat": 0.1}[person.hair]
    crown = np.sqrt((x / (1 + volume)) ** 2 + ((y + 0.3) / (1.4 + volume)) ** 2) - 1
    low = {"short": 0.12, "parted": 0.45, "fringe": 0.75, "long": 3.0, "hat": 0.1}[person.hair]
    if low > 1:
        fall = np.maximum(np.abs(x) - 1.18 - 0.06 * np.sin(4 * y), -(y + 0.3))
        crown = np.minimum(crown, fall)
    whole = band(np.maximum(crown, y - low), 0.09)
    if person.hair == "fringe":
        line = -0.5 + 0.09 * smooth_noise(rng, (1, 16)) + 0.15 * u * u
    elif person.hair == "parted":
        line = person.hairline + 0.9 * (np.abs(u + 0.25)) ** 1.6 - 0.1
    elif person.hair == "long":
        line = person.hairline + 1.1 * np.abs(u - 0.1) ** 1.8
    else:
        line = person.hairline + 0.35 * np.abs(u) ** 3 + 0.03 * smooth_noise(rng, (1, 12))
    # At the temples the hair comes forward by so much of the head's half width.
    inset = {"short": 0.03, "parted": 0.1, "fringe": 0.16, "long": 0.16, "hat": 0.02}[person.hair]
    bare = band(np.maximum(line - v, np.abs(x) - person.head_width + inset), 0.09) * face
    shade = 0.25 * band(np.maximum(line - 0.1 - v, np.abs(x) - person.head_width + inset + 0.08), 0.2)
    tone = tone * (1 - (0.25 - shade) * face)
    tone = tone + whole * (1 - bare) * (hair - tone)
    if person.hair == "hat":
        brim = band(np.maximum(v - person.hairline - 0.18 + 0.1 * u * u, np.abs(x) - 1.12), 0.05)
        cloth = scene.clothes * (0.55 + 0.3 * scene.light[0] * x) + 0.05 * np.sin(x * 26) - 0.1 * (v > person.hairline)
        tone = tone + brim * (cloth - tone)
    return np.clip(tone, 0.0, 1.0)


def paint_beard(
    tone: Plane, light: Plane, u: Plane, v: Plane, person: Identity, shape: FaceShape, grain: Plane
) -> Plane:
    """Beard and moustache, before the mouth is painted."""
    if person.beard == 0 and person.moustache == 0:
        return tone
    side = np.abs(u)
    edge = shape.mouth_y - 0.15 - 0.5 * np.clip(side - 0.55, 0, 1) * 2 + 0.45 * np.clip(0.5 - side, 0, 1)
    beard = person.beard * band(edge - v, 0.18)
    lip = shape.mouth_y - shape.gap_up - shape.lip_up - 0.06
    moustache = person.moustache * band(
        np.maximum(np.abs(v - lip - 0.12 * side) - 0.07, side - shape.mouth_width - 0.06), 0.08
    )
    cover: Plane = np.maximum(beard, moustache) * np.clip(0.8 + 0.2 * grain, 0, 1)
    return tone + cover * (person.hair_tone * (0.6 + 0.5 * light) - tone)


def paint_glasses(tone: Plane, u: Plane, v: Plane, person: Identity) -> Plane:
    """Spectacles or sunglasses."""
    if person.glasses == "none":
        return tone
    side = np.abs(u)
    x, y = (side - person.eye_distance - 0.01) / 0.3, (v - 0.03) / 0.2
    rim = ((np.abs(x) ** 3.2 + np.abs(y) ** 3.2) ** (1 / 3.2) - 1) * 0.2
    bridge = np.maximum(np.abs(v + 0.03 + 0.1 * u * u) - 0.02, side - 0.16)
    arms = np.maximum(np.maximum(np.abs(v + 0.07) - 0.025, 0.32 + person.eye_distance - side), side - 1)
    frame = band(np.minimum(np.minimum(np.abs(rim) - 0.016, bridge), arms), 0.03)
    lens = band(rim, 0.03)
    if person.glasses == "dark":
        tone = tone * (1 - 0.92 * lens) + 0.06 * lens * (1 - np.clip(y + 0.5 * x, -1, 1))
    else:
        tone = tone + 0.07 * lens
    return tone + frame * (0.08 - tone)


def paint_occlusion(
    tone: Plane, px: Plane, py: Plane, u: Plane, v: Plane, person: Identity, scene: Scene, rng: np.random.Generator
) -> Plane:
    """A hand, a scarf, a strand of hair or a watermark before the face."""
    if scene.occlusion == "none":
        return tone
    side = float(rng.choice([-1.0, 1.0]))
    if scene.occlusion == "scarf":
        cover = band(1.28 + 0.05 * np.sin(5 * u) - v, 0.06)
        return tone + cover * (scene.clothes * (0.7 + 0.25 * np.sin(9 * v + 3 * u)) - tone)
    if scene.occlusion == "strand":
        path = side * (0.25 + 0.45 * (v + 1) - 0.12 * (v + 1) ** 2)
        cover = band(np.maximum(np.abs(u - path) - 0.09, v - 0.9), 0.1) * (v < 0.95)
        return tone + 0.9 * cover * (person.hair_tone * (0.8 + 0.2 * np.sin(60 * (u - path))) - tone)
    if scene.occlusion == "watermark":
        letters: Plane = np.clip(np.sin(px * 40 + 5 * np.sin(px * 13)) * np.sin(py * 34), 0, 1)
        return tone + 0.28 * letters * band(np.abs(py - 0.35) - 0.13, 0.03) * (0.9 - tone)
    # Four fingers that come from below, their tips staggered: along the cheek, or folded under the chin.
    at_chin = scene.occlusion == "hand_chin"
    lean = side * (0.75 if at_chin else 0.22)
    for number, reach in enumerate((0.0, -0.1, -0.07, 0.08)):
        middle = side * (0.18 if at_chin else 0.92) + 0.2 * (1.5 - number) * side
        tip = (1.22 if at_chin else 0.42) + reach
        below = np.maximum(tip + 0.09 - v, 0)
        over = u - middle + lean * (v - tip)
        distance = np.sqrt(over * over + below * below) - 0.1
        cover = band(distance, 0.04)
        rounded = np.sqrt(np.clip(1 - (over / 0.105) ** 2, 0.06, 1))
        lit = 0.45 + 0.5 * rounded + 0.25 * scene.light[0] * over / 0.1
        tone = tone * (1 - 0.3 * np.exp(-0.5 * (np.maximum(distance, 0) / 0.05) ** 2))
        knuckle = bump(over, v, (0, tip + 0.45), (0.09, 0.025))
        tone = tone + cover * (person.skin_tone * lit * (1 - 0.15 * knuckle) - tone)
    return tone
