"""What drawings of `generated_non_faces` have in common: paper, ink, letters, and how a picture from the web looks."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

__all__ = ["DRAWN_AT", "SIZE", "Grey", "Rng", "canvas", "finish", "shades", "smooth_noise", "words"]

SIZE = 48
DRAWN_AT = 4 * SIZE
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:!?-"

Rng = np.random.Generator
Grey = NDArray[np.uint8]


def shades(rng: Rng) -> tuple[int, int]:
    """A ground and an ink that differ by at least 20 grey levels."""
    ground = int(rng.choice([0, 255, rng.integers(256)], p=[0.3, 0.35, 0.35]))
    while True:
        ink = int(rng.choice([0, 255, rng.integers(256)]))
        if abs(ink - ground) >= 20:
            return ground, ink


def finish(picture: Image.Image, rng: Rng) -> Grey:
    """Crop, shrink and compress a large drawing as a picture from the web would be."""
    size = int(rng.uniform(0.55, 1.0) * DRAWN_AT) if rng.random() < 0.5 else DRAWN_AT
    left, top = rng.integers(DRAWN_AT - size + 1, size=2)
    picture = picture.crop((left, top, left + size, top + size))
    if rng.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(1, 6)))
    small = picture.resize((SIZE, SIZE), rng.choice([Image.Resampling.BILINEAR, Image.Resampling.LANCZOS]))
    pixels = np.asarray(small, dtype=np.float32)
    if rng.random() < 0.4:
        pixels = pixels + rng.normal(0, rng.uniform(0.5, 8), pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def canvas(ground: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("L", (DRAWN_AT, DRAWN_AT), ground)
    return picture, ImageDraw.Draw(picture)


def words(rng: Rng, letters: int) -> str:
    text = "".join(rng.choice(list(_LETTERS), letters))
    return "".join(" " if rng.random() < 0.15 else letter for letter in text)


def smooth_noise(rng: Rng, cells: int) -> NDArray[np.float64]:
    coarse = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32), mode="F")
    return np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC), dtype=np.float64)
