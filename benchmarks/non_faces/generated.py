"""Pictures that are not a face, made from a seed: what a finder that has seen few real ones learns from.

Text, signs, icons, frames, patterns, objects and clothes are drawn with PIL, and scenes are cut from the two
photographs that scikit-learn ships. Given faces, it cuts and shuffles them until no face is left.
"""

from collections.abc import Callable, Sequence

import numpy as np
from drawing import DRAWN_AT, SIZE, Grey, Rng, canvas, finish, shades, smooth_noise, words
from numpy.typing import NDArray
from objects import draw_limbs, draw_objects, draw_torso
from PIL import Image, ImageDraw, ImageFilter, ImageFont

__all__ = ["generate_non_faces"]

_SIGNS = "!?xX+&@#%*$€©®§0123456789"


def generate_non_faces(count: int, seed: int, faces: Grey | None = None) -> tuple[Grey, list[str]]:
    """Make `count` pictures, (count, 48, 48) uint8, and name the kind of each: drawn ones, or pieces of `faces`."""
    rng = np.random.default_rng(seed)
    kinds: dict[str, Callable[[Rng], Grey]] = {
        "text": _text,
        "sign": _sign,
        "icon": _icon,
        "frame": _frame,
        "pattern": _pattern,
        "object": draw_objects,
        "limb": draw_limbs,
        "torso": draw_torso,
        "scene": _scene,
    }
    if faces is not None:
        kinds = {"shuffled": lambda rng: _shuffled(rng, faces), "piece": lambda rng: _piece(rng, faces)}
    names = [list(kinds)[at] for at in rng.integers(len(kinds), size=count)]
    return np.stack([kinds[name](rng) for name in names]), names


def _text(rng: Rng) -> Grey:
    ground, ink = shades(rng)
    picture, draw = canvas(ground)
    height = float(rng.choice([rng.uniform(6, 14), rng.uniform(14, 34), rng.uniform(34, 90)]))
    font = ImageFont.load_default(height)
    step = height * rng.uniform(1.1, 3.2)
    y = rng.uniform(-20, 0.6 * DRAWN_AT)
    while y < DRAWN_AT * rng.uniform(0.5, 1.1):
        width = rng.uniform(0.3, 1.4) * DRAWN_AT
        text = words(rng, max(2, int(width / (0.55 * height))))
        x = (DRAWN_AT - width) / 2 if rng.random() < 0.5 else rng.uniform(-40, 40)
        draw.text((x, y), text, fill=ink, font=font)
        y += step
    if rng.random() < 0.15:
        picture = picture.rotate(rng.uniform(-12, 12), fillcolor=ground)
    return finish(picture, rng)


def _sign(rng: Rng) -> Grey:
    """One to six letters as large as the picture, some with an outline: a logo, a number plate."""
    ground, ink = shades(rng)
    picture, draw = canvas(ground)
    height = rng.uniform(60, 190)
    text = str(rng.choice(list(_SIGNS))) if rng.random() < 0.4 else words(rng, int(rng.integers(2, 6)))
    edge = int(rng.integers(0, 8))
    for line in range(int(rng.integers(1, 3))):
        at = (rng.uniform(-30, 50), rng.uniform(-40, 60) + line * height)
        draw.text(at, text, fill=ink, font=ImageFont.load_default(height), stroke_width=edge, stroke_fill=255 - ink)
        text = words(rng, int(rng.integers(2, 6)))
    return finish(picture.rotate(rng.uniform(-8, 8), fillcolor=ground), rng)


def _regular(rng: Rng, corners: int, centre: Sequence[float], radius: float) -> list[tuple[float, float]]:
    turn = -np.pi / 2 + (rng.uniform(0, 2 * np.pi) if rng.random() < 0.3 else 0.0)
    angle = turn + 2 * np.pi * np.arange(corners) / corners
    return [(centre[0] + radius * np.cos(a), centre[1] + radius * np.sin(a)) for a in angle]


def _icon(rng: Rng) -> Grey:
    """A plate (triangle, circle, box) with a mark on it: warnings, no-entry signs, players, cameras."""
    ground, ink = shades(rng)
    picture, draw = canvas(ground)
    plate = int(rng.integers(256))
    centre = rng.normal(DRAWN_AT / 2, 25, size=2)
    radius = rng.uniform(25, 120)
    line = int(rng.integers(1, 12))
    box = [*(centre - radius), *(centre + radius * np.array([1.0, rng.uniform(0.5, 1.0)]))]
    shape = rng.integers(5)
    if shape == 0:
        draw.polygon(_regular(rng, int(rng.choice([3, 3, 4, 5, 6, 8])), centre, radius), plate, ink, width=line)
    elif shape == 1:
        draw.ellipse(box, plate, ink, width=line)
    elif shape == 2:
        draw.rounded_rectangle(box, radius * rng.uniform(0.05, 0.6), plate, ink, width=line)
    elif shape == 3:
        draw.rectangle(box, plate, ink, width=line)
    _mark(rng, draw, centre, radius, ink)
    return finish(picture, rng)


def _mark(rng: Rng, draw: ImageDraw.ImageDraw, centre: NDArray[np.float64], radius: float, ink: int) -> None:
    mark, thick = rng.integers(7), radius * rng.uniform(0.08, 0.3)
    x, y = centre
    if mark == 0:
        dot, apart = thick, radius * rng.uniform(0.4, 0.6)
        for at in range(-1, 2):
            draw.ellipse([x + at * apart - dot, y - dot, x + at * apart + dot, y + dot], ink)
    elif mark == 1:
        draw.rectangle([x - 0.6 * radius, y - thick, x + 0.6 * radius, y + thick], ink)
    elif mark == 2:
        for sign in (-1, 1):
            end = 0.5 * radius
            draw.line([x - end, y - sign * end, x + end, y + sign * end], ink, int(thick) + 1)
    elif mark == 3:
        for factor in (0.5, 0.25):
            end = factor * radius
            draw.ellipse([x - end, y - end, x + end, y + end], None, ink, int(thick / 2) + 1)
    elif mark == 4:
        draw.polygon(_regular(rng, 3, (x, y), 0.5 * radius), ink)
    elif mark == 5:
        font = ImageFont.load_default(1.2 * radius)
        draw.text((x, y), str(rng.choice(list(_SIGNS))), fill=ink, font=font, anchor="mm")
        draw.line([x - radius, y + radius, x + radius, y - radius], ink, int(rng.integers(0, 8)))
    else:
        draw.line([x, y - 0.5 * radius, x, y + 0.2 * radius], ink, int(2 * thick))
        draw.ellipse([x - thick, y + 0.4 * radius, x + thick, y + 0.4 * radius + 2 * thick], ink)


def _frame(rng: Rng) -> Grey:
    """Flat, nearly flat, with bars, with a gradient, or very dark."""
    level = int(rng.choice([0, 255, rng.integers(256)]))
    picture = np.full((SIZE, SIZE), float(level))
    kind = rng.integers(5)
    if kind == 1:
        picture += rng.normal(0, rng.uniform(0.5, 10), picture.shape)
    elif kind == 2:
        at = int(rng.integers(2, SIZE - 2))
        picture[at:] = rng.integers(256)
        if rng.random() < 0.5:
            picture[:, int(rng.integers(2, SIZE - 2)) :] = rng.integers(256)
    elif kind == 3:
        y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
        picture += 120 * (rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y) + rng.uniform(-60, 60) * (x * x + y * y)
    elif kind == 4:
        picture = rng.uniform(0, 12) + smooth_noise(rng, int(rng.integers(3, 12))) * rng.uniform(2, 14)
    if rng.random() < 0.3:
        picture = picture.T
    return np.clip(picture, 0, 255).astype(np.uint8)


def _pattern(rng: Rng) -> Grey:
    """Stripes, checks, dots, mosaics, noise, clouds."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64)
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, 24)
    if rng.random() < 0.5:
        angle = float(rng.choice([0, np.pi / 2]))
    along = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period + rng.uniform(0, 6))
    across = np.sin(2 * np.pi * (y * np.cos(angle) - x * np.sin(angle)) / period + rng.uniform(0, 6))
    kind = rng.integers(6)
    if kind == 0:
        value = along
    elif kind == 1:
        value = np.sign(along) * np.sign(across)
    elif kind == 2:
        value = np.sign(along + across - rng.uniform(0, 1.5))
    elif kind == 3:
        cells = int(rng.choice([4, 6, 8, 12, 16]))
        value = (
            rng.normal(0, 0.5, (cells, cells)).repeat(-(-SIZE // cells), 0).repeat(-(-SIZE // cells), 1)[:SIZE, :SIZE]
        )
    elif kind == 4:
        value = rng.normal(0, 0.6, (SIZE, SIZE))
    else:
        value = smooth_noise(rng, int(rng.integers(4, 24)))
    if rng.random() < 0.3:
        value = np.sign(value)
    return np.clip(rng.uniform(40, 210) + rng.uniform(15, 120) * value, 0, 255).astype(np.uint8)


_photographs: list[Image.Image] = []


def _scene(rng: Rng) -> Grey:
    """A window of a photograph of a temple or a flower."""
    if not _photographs:
        from sklearn.datasets import load_sample_images

        _photographs.extend(Image.fromarray(picture).convert("L") for picture in load_sample_images().images)
    photograph = _photographs[int(rng.integers(len(_photographs)))]
    side = int(rng.uniform(48, 360))
    left, top = int(rng.integers(photograph.width - side)), int(rng.integers(photograph.height - side))
    window = photograph.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.BOX)
    pixels = np.asarray(window, dtype=np.float64)
    pixels = np.rot90(pixels, int(rng.integers(4)))
    pixels = (pixels - pixels.mean()) * rng.uniform(0.4, 1.6) + rng.uniform(30, 220)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _shuffled(rng: Rng, faces: NDArray[np.uint8]) -> Grey:
    """A face whose pieces have changed places and turned, with the seams blurred away."""
    face = faces[int(rng.integers(len(faces)))]
    cells = int(rng.choice([3, 4, 6]))
    side = SIZE // cells
    pieces = face.reshape(cells, side, cells, side).swapaxes(1, 2).reshape(-1, side, side)
    pieces = np.stack([np.rot90(piece, int(rng.integers(4))) for piece in rng.permutation(pieces)])
    mixed = pieces.reshape(cells, cells, side, side).swapaxes(1, 2).reshape(SIZE, SIZE)
    soft = Image.fromarray(mixed).filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 2.5)))
    return np.asarray(soft)


def _piece(rng: Rng, faces: NDArray[np.uint8]) -> Grey:
    """A corner of a picture, enlarged: hair, collar, shoulder, cheek, wall."""
    face = faces[int(rng.integers(len(faces)))]
    side = int(rng.integers(12, 19))
    left, top = (int(rng.choice([0, SIZE - side])) for _ in range(2))
    window = Image.fromarray(face[top : top + side, left : left + side]).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    sharp = window.filter(ImageFilter.UnsharpMask(radius=2, percent=int(rng.integers(50, 300)), threshold=0))
    noisy = np.asarray(np.rot90(sharp, int(rng.integers(4))), dtype=np.float64) + rng.normal(
        0, rng.uniform(0, 6), (SIZE, SIZE)
    )
    return np.clip(noisy, 0, 255).astype(np.uint8)
