"""One drawn face: relief, light, features and camera put together."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ferkit.sources.synthetic.canvas import DRAWN, Plane, band, frame_grid, shrink, smooth_noise
from ferkit.sources.synthetic.face_shape import FaceShape
from ferkit.sources.synthetic.features import paint_brows, paint_eyes, paint_mouth, paint_nostrils
from ferkit.sources.synthetic.identity import Identity, Scene
from ferkit.sources.synthetic.relief import creases, relief
from ferkit.sources.synthetic.surroundings import (
    background,
    paint_beard,
    paint_ears,
    paint_glasses,
    paint_hair,
    paint_occlusion,
)

__all__ = ["draw_face"]


def draw_face(action_units: Mapping[int, float], *, one_sided: bool, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a person, a scene, and the face in it.

    Parameters
    ----------
    action_units
        Intensity 0..1 of each AU.
    one_sided
        AU12 and AU14 act on one side only, drawn by lot.

    Returns
    -------
    (48, 48) uint8
    """
    person, scene = Identity.draw(rng), Scene.draw(rng)
    side = int(rng.choice([-1, 1])) if one_sided else 0
    shape = FaceShape.pose(person, action_units, side, parting=float(rng.random()))

    px, py = frame_grid()
    x, y = _head_coordinates(px, py, scene)
    radius = _head_radius(x, y, person, shape)
    face = band(radius - 1, 0.05)
    z = np.sqrt(np.clip(1 - 0.93 * radius**2, 0.03, 1))
    u, v = (x - np.float32(scene.yaw) * z) / person.head_width, y - np.float32(scene.pitch) * z

    lines = creases(u, v, person, shape)
    height = 0.85 * z + relief(u, v, lines, person, shape)
    light = _shade(height, scene)
    grain = smooth_noise(rng, (48, 48))
    mottle = smooth_noise(rng, (7, 7))
    skin = person.skin_tone * light * (1 - 0.42 * np.clip(lines, 0, 1.2)) * (1 + 0.02 * grain + 0.035 * mottle)
    skin = paint_beard(skin, light, u, v, person, shape, grain)
    skin = paint_nostrils(skin, u, v, person, shape)
    skin = paint_mouth(skin, light, u, v, person, shape)
    skin = paint_eyes(skin, light, u, v, person, shape, scene.gaze)
    skin = paint_brows(skin, light, u, v, person, shape, grain)

    tone = background(px, py, x, y, scene, person, rng)
    tone = paint_ears(tone, x, y, person, scene)
    tone = tone + face * (skin - tone)
    tone = paint_hair(tone, x, y, u, v, face, person, scene, rng)
    tone = paint_glasses(tone, u, v, person)
    tone = paint_occlusion(tone, px, py, u, v, person, scene, rng)
    return _photograph(tone, scene, rng)


def _head_coordinates(px: Plane, py: Plane, scene: Scene) -> tuple[Plane, Plane]:
    """Frame coordinates moved, turned and scaled so that the head is upright and its half width is one."""
    x, y = px - np.float32(scene.centre[0]), py - np.float32(scene.centre[1])
    cos, sin = np.float32(np.cos(scene.roll) / scene.scale), np.float32(np.sin(scene.roll) / scene.scale)
    return x * cos + y * sin, y * cos - x * sin


def _head_radius(x: Plane, y: Plane, person: Identity, shape: FaceShape) -> Plane:
    """1 on the outline of the head, 0 in its middle: an ellipse above, a squarer curve towards the jaw."""
    middle = np.float32(-0.15)
    down = y - middle
    skull = np.sqrt((x / person.head_width) ** 2 + (down / 1.5) ** 2)
    power = person.jaw_power
    jaw = (np.abs(x / person.head_width) ** power + np.abs(down / (shape.chin - middle)) ** power) ** (1 / power)
    return np.where(down < 0, skull, jaw).astype(np.float32)


def _shade(height: Plane, scene: Scene) -> Plane:
    """Lambert's light on a relief, with a little of the sky and a weak highlight."""
    step = scene.scale * DRAWN / 2  # drawn pixels in a head unit
    slope_y, slope_x = np.gradient(height)
    slope_x, slope_y = slope_x * step, slope_y * step
    norm = 1 / np.sqrt(1 + slope_x**2 + slope_y**2)
    lx, ly, lz = scene.light
    facing = np.clip((lz - lx * slope_x - ly * slope_y) * norm, 0, 1)
    highlight = facing**24
    return np.asarray(scene.ambient * (0.6 + 0.4 * norm) + (1.15 - scene.ambient) * facing + 0.1 * highlight)


def _photograph(tone: Plane, scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Exposure, contrast, blur and noise, and the camera's 48x48 grey values."""
    picture = shrink(np.clip(tone * scene.exposure, 0, 1) ** 0.8)
    if scene.blur > 0:
        side = 0.25 * scene.blur
        for axis in (0, 1):
            padded = np.pad(picture, [(1, 1) if each == axis else (0, 0) for each in (0, 1)], mode="edge")
            before, after = (padded[:-2], padded[2:]) if axis == 0 else (padded[:, :-2], padded[:, 2:])
            picture = (1 - 2 * side) * picture + side * (before + after)
    picture = (picture - 0.5) * scene.contrast + 0.5
    picture = picture + scene.noise * rng.standard_normal(picture.shape)
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)
