"""Drawn objects, limbs and clothes, shaded: no face, but as round and as grey as one."""

import numpy as np
from drawing import DRAWN_AT, Grey, Rng, canvas, finish, smooth_noise, words
from PIL import Image, ImageFilter, ImageFont

__all__ = ["draw_limbs", "draw_objects", "draw_torso"]


def draw_objects(rng: Rng) -> Grey:
    """Shaded ellipses, boxes and polygons before a plain or a busy ground."""
    ground = int(rng.choice([0, 255, rng.integers(256)]))
    picture, draw = canvas(ground)
    largest = rng.uniform(20, 90)
    if rng.random() < 0.3:
        draw.text(
            tuple(rng.uniform(0, 100, 2)), words(rng, 12), 255 - ground, ImageFont.load_default(rng.uniform(8, 30))
        )
    for _ in range(int(rng.integers(1, 9))):
        centre, radius = rng.uniform(0, DRAWN_AT, size=2), rng.uniform(10, largest)
        shade, edge = int(rng.integers(256)), int(rng.integers(256))
        kind = rng.integers(4)
        if kind == 0:
            draw.polygon([tuple(centre + rng.normal(0, radius, 2)) for _ in range(int(rng.integers(3, 7)))], shade)
        elif kind == 1:
            reach = radius * rng.uniform(0.3, 1, 2)
            draw.ellipse([*(centre - reach), *(centre + reach)], shade, edge, int(rng.integers(1, 6)))
        elif kind == 2:
            reach = radius * rng.uniform(0.2, 1, 2)
            draw.rectangle([*(centre - reach), *(centre + reach)], shade, edge, int(rng.integers(1, 6)))
        else:
            draw.line([*centre, *(centre + rng.normal(0, 80, 2))], shade, int(rng.integers(2, 30)))
    return _shaded(picture, rng)


def draw_limbs(rng: Rng) -> Grey:
    """Tapered, shaded tubes: arms, fingers, legs, a tie on a shirt."""
    picture, draw = canvas(int(rng.integers(256)))
    for _ in range(int(rng.integers(1, 7))):
        start, step = rng.uniform(-20, DRAWN_AT + 20, 2), rng.normal(0, 1, 2)
        step *= rng.uniform(60, 260) / (np.linalg.norm(step) + 1e-6)
        thick, end, shade = rng.uniform(10, 60), rng.uniform(8, 50), rng.uniform(30, 230)
        side = np.array([-step[1], step[0]]) / np.linalg.norm(step)
        for part in np.linspace(-1, 1, 9):
            level = int(np.clip(shade * (1 - 0.5 * part * part) + 10 * part, 0, 255))
            a, b = start + side * thick * part, start + step + side * end * part
            draw.line([*a, *b], level, int(max(thick, end) / 4) + 2)
    return _shaded(picture, rng)


def draw_torso(rng: Rng) -> Grey:
    """A jacket, a shirt and a tie below the head that the crop left out, or a dress, or a row of fingers."""
    picture, draw = canvas(int(rng.choice([255, rng.integers(256)])))
    cloth, shirt, tie = (int(level) for level in rng.integers(0, 256, 3))
    x, neck = rng.uniform(50, 140), rng.uniform(-60, 60)
    wide, low = rng.uniform(10, 50), rng.uniform(80, 190)
    if rng.random() < 0.7:
        draw.polygon(
            [(x - 150, neck + 70), (x, neck - 40), (x + 150, neck + 70), (x + 160, 260), (x - 160, 260)], cloth
        )
        draw.polygon([(x - wide, neck), (x + wide, neck), (x, neck + low)], shirt)
        draw.polygon([(x - 6, neck), (x + 6, neck), (x + 14, neck + low * 0.9), (x - 14, neck + low * 0.9)], tie)
        for side in (-1, 1):
            collar = [(x + side * wide, neck), (x + side * wide * 1.6, neck + 0.4 * low), (x, neck + low)]
            draw.line(collar, int(np.clip(cloth + rng.integers(-60, 60), 0, 255)), int(rng.integers(1, 6)))
    else:
        thick = rng.uniform(20, 40)
        for finger in range(int(rng.integers(3, 6))):
            left, end = x - 90 + finger * thick * 1.1, rng.uniform(90, 180)
            level = int(np.clip(cloth + rng.normal(0, 20), 0, 255))
            box = [left, neck, left + thick, neck + end]
            draw.rounded_rectangle(box, thick / 2, level, max(level - 70, 0), int(rng.integers(1, 5)))
        picture = picture.rotate(rng.uniform(0, 360), fillcolor=picture.getpixel((0, 0)))
    return _shaded(picture, rng)


def _shaded(picture: Image.Image, rng: Rng) -> Grey:
    drawn = finish(picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 5))), rng).astype(np.float64)
    light = 1 + 0.35 * smooth_noise(rng, int(rng.integers(3, 8))).clip(-1.5, 1.5)
    return np.clip(drawn * light + rng.normal(0, rng.uniform(0, 5), drawn.shape), 0, 255).astype(np.uint8)
