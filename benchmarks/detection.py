"""What the detectors find, where they see faces that are none, and how long they take.

    python benchmarks/detection.py DATA

DATA is a folder with fer2013.csv and fer2013new.csv. Faces of PublicTest, of which no tagger of FER+ said that they are
none, are enlarged, turned and pasted into pictures of noise, gradients and parts of the two photographs that
scikit-learn brings (a temple, a flower; ``--backgrounds FOLDER`` adds pictures of yours, without faces in them). The
square that was pasted is the truth: a face is found if a box shares 0.3 of their union with it; a box that shares less
than 0.1 is on no face.

Only the framing is judged with a network as well: the student of the shipped models reads each face as it was, and as
it is cut from the scene about BlazeFace's box.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

from ferkit.bundles.bundle import load_bundle
from ferkit.data.folder_search import find_files
from ferkit.data.labels import FERPLUS_VOTES
from ferkit.data.picture_files import SUFFIXES, read_picture
from ferkit.detection.base import Box, Detector, Framing
from ferkit.detection.crop import crop_face, grey
from ferkit.detection.loading import DETECTORS, load_detector
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013

Picture = NDArray[np.uint8]

WIDTH, HEIGHT = 640, 480
LARGE = (1920, 1440)
SIZES = (32, 40, 56, 80, 112, 160, 240, 320, 400)
ANGLES = (0, 15, 30, 45, 60, 90, 120, 150, 180, 210)
SCALES = (1.0, 1.1, 1.175, 1.25, 1.5)
FOUND, ELSEWHERE = 0.3, 0.1
# Pixels of the face's own border that fade into the picture about it.
BORDER, FADE = 24, 8


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture with one face in it.

    Attributes
    ----------
    picture : (H, W, 3) uint8 RGB
    x, y, side
        Centre and side of the pasted square, in pixels.
    angle
        Degrees by which it is turned, clockwise.
    """

    picture: Picture
    x: float
    y: float
    side: float
    angle: float


class Painter:
    """Makes scenes; the same ones for the same seed.

    Parameters
    ----------
    photographs
        Without faces.
    """

    def __init__(self, photographs: Sequence[Picture], seed: int) -> None:
        self._photographs = photographs
        self._rng = np.random.default_rng(seed)

    def background(self, width: int = WIDTH, height: int = HEIGHT) -> Picture:
        """A picture without a face: a gradient, noise, or a part of a photograph, each as often."""
        rng = self._rng
        kind = rng.integers(3)
        if kind == 0:
            one, other = rng.integers(0, 256, (2, 3))
            across, down = np.linspace(0, rng.random(), width), np.linspace(0, rng.random(), height)
            part = (across[None, :, None] + down[:, None, None]) / 2
            painted = one * (1 - part) + other * part
        elif kind == 1:
            coarse = rng.integers(0, 256, (*rng.integers(6, 60, 2), 3)).astype(np.float32)
            painted = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
            painted = painted + rng.normal(0, rng.uniform(2, 25), painted.shape)
        else:
            photograph = self._photographs[rng.integers(len(self._photographs))]
            part = rng.uniform(0.5, 1)
            high, wide = (int(part * length) for length in photograph.shape[:2])
            top, left = (
                int(rng.integers(0, whole - kept + 1))
                for whole, kept in zip(photograph.shape, (high, wide), strict=False)
            )
            painted = cv2.resize(photograph[top : top + high, left : left + wide], (width, height))
            painted = painted[:, ::-1] if rng.random() < 0.5 else painted
        return np.clip(painted, 0, 255).astype(np.uint8)

    def scene(
        self, face: Picture, side: float, angle: float = 0.0, *, size: tuple[int, int] = (WIDTH, HEIGHT)
    ) -> Scene:
        """A background with a face (48, 48) somewhere in it, whole unless it is larger than that."""
        width, height = size
        half = min(0.575 * side, (min(size) - 1) / 2)
        x, y = self._rng.uniform(half, width - half), self._rng.uniform(half, height - half)
        padded = cv2.copyMakeBorder(face, *[BORDER] * 4, cv2.BORDER_REPLICATE)
        inner = np.zeros(padded.shape, dtype=bool)
        inner[BORDER:-BORDER, BORDER:-BORDER] = True
        padded = np.where(inner, padded, cv2.GaussianBlur(padded, (0, 0), 6))
        middle = padded.shape[0] / 2 - 0.5
        turn = cv2.getRotationMatrix2D((middle, middle), -angle, side / 48)
        turn[:, 2] += np.array([x, y]) - middle
        layer = cv2.warpAffine(padded, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        away = np.abs(np.mgrid[: padded.shape[0], : padded.shape[1]] - middle).max(axis=0)
        mask = np.clip(1 - (away - 24) / FADE, 0, 1).astype(np.float32)
        weight = cv2.warpAffine(mask, turn, size)[..., None]
        picture = self.background(width, height) * (1 - weight) + layer[..., None] * weight
        return Scene(np.clip(picture, 0, 255).astype(np.uint8), x, y, side, angle)


def shared(box: Box, scene: Scene) -> float:
    """Intersection over union of a box with the square that was pasted."""
    x, y, width, height = box
    left, top = scene.x - scene.side / 2, scene.y - scene.side / 2
    across = min(x + width, left + scene.side) - max(x, left)
    down = min(y + height, top + scene.side) - max(y, top)
    both = max(0.0, across) * max(0.0, down)
    return both / (width * height + scene.side**2 - both)


@dataclass(frozen=True, eq=False)
class Counts:
    """What a detector made of some scenes: whether each face was found, boxes on no face, milliseconds of each."""

    found: NDArray[np.bool_]
    elsewhere: int
    milliseconds: list[float]

    @property
    def recall(self) -> str:
        """With its standard error."""
        share = float(self.found.mean())
        return f"{100 * share:.1f} ± {100 * (share * (1 - share) / len(self.found)) ** 0.5:.1f} %"


def count_detections(detector: Detector, scenes: Sequence[Scene]) -> Counts:
    found, elsewhere, milliseconds = [], 0, []
    for scene in scenes:
        start = time.perf_counter()
        faces = detector.detect(scene.picture)
        milliseconds.append(1000 * (time.perf_counter() - start))
        overlaps = [shared(face.box, scene) for face in faces]
        found.append(max(overlaps, default=0.0) >= FOUND)
        elsewhere += sum(overlap < ELSEWHERE for overlap in overlaps)
    return Counts(np.array(found), elsewhere, milliseconds)


def read_faces(data: Path, count: int, seed: int) -> tuple[Picture, NDArray[np.int8]]:
    """(count, 48, 48) faces of PublicTest that are surely faces, and their emotions."""
    faces = load_fer2013(Fer2013Settings(path=data, ferplus="required")).of_split("PublicTest")
    votes = np.asarray(faces.votes)
    sure = (votes[:, FERPLUS_VOTES.index("NF")] == 0) & (votes[:, FERPLUS_VOTES.index("unknown")] <= 2)
    rows = np.flatnonzero(sure)
    chosen = np.sort(np.random.default_rng(seed).choice(rows, min(count, len(rows)), replace=False))
    return faces.images[chosen], faces.label[chosen]


def print_framing(detector: Detector, faces: Picture, emotions: NDArray[np.int8], scenes: Sequence[Scene]) -> None:
    """Where the pasted square lies about the boxes, and what a network reads in faces that are cut about them."""
    kept, boxes = [], []
    for index, scene in enumerate(scenes):
        best = max(detector.detect(scene.picture), key=lambda face: shared(face.box, scene), default=None)
        if best and shared(best.box, scene) >= FOUND:
            kept.append(index)
            boxes.append(best)
    sides = np.array([max(face.box[2:]) for face in boxes])
    scale = np.array([scenes[index].side for index in kept]) / sides
    up = (
        np.array([face.box[1] + face.box[3] / 2 - scenes[index].y for index, face in zip(kept, boxes, strict=True)])
        / sides
    )
    print(f"side of the picture / side of the box: {np.median(scale):.3f}; its centre above: {np.median(up):.3f}")
    bundle = load_bundle()

    def right(images: Picture) -> str:
        predicted = bundle.predict(images, "fer", model=bundle.card.models[-1]).argmax(axis=1)
        return f"{100 * (predicted == emotions[kept]).mean():.1f} %"

    print(f"right of {len(kept)} faces as they were: {right(faces[kept])}")
    for factor in SCALES:
        moved = Framing(factor, detector.framing.up)
        crops = [crop_face(grey(scenes[index].picture), face, moved) for index, face in zip(kept, boxes, strict=True)]
        print(f"  cut at {factor:<5} of the box: {right(np.stack(crops))}")


def print_scenes(title: str, detectors: Mapping[str, Detector], scenes: Sequence[Scene]) -> None:
    print(f"\n{len(scenes)} {title}\n{'':12}{'found':>16}{'boxes elsewhere':>18}{'median ms':>12}{'95 % ms':>12}")
    for name, detector in detectors.items():
        seen = count_detections(detector, scenes)
        median, slow = np.percentile(seen.milliseconds, (50, 95))
        print(f"{name:12}{seen.recall:>16}{seen.elsewhere:>18}{median:>12.1f}{slow:>12.1f}", flush=True)


def print_recall(title: str, detectors: Mapping[str, Detector], scenes: Mapping[str, Sequence[Scene]]) -> None:
    print(f"\n{title}\n{'':12}" + "".join(f"{column:>14}" for column in scenes))
    for name, detector in detectors.items():
        print(
            f"{name:12}" + "".join(f"{count_detections(detector, each).recall:>14}" for each in scenes.values()),
            flush=True,
        )


def print_without_a_face(detectors: Mapping[str, Detector], pictures: Sequence[Picture]) -> None:
    print(f"\n{len(pictures)} pictures of {WIDTH}x{HEIGHT} without a face")
    for name, detector in detectors.items():
        boxes = [len(detector.detect(picture)) for picture in pictures]
        print(f"{name:12}{sum(boxes)} boxes, in {sum(map(bool, boxes))} pictures", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with fer2013.csv and fer2013new.csv")
    parser.add_argument("--backgrounds", type=Path, help="a folder of more pictures without faces")
    parser.add_argument("--count", type=int, default=100, help="faces of each size and angle; twice as many at random")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    photographs = list(load_sample_images().images)
    if arguments.backgrounds:
        photographs += [read_picture(path) for path in find_files(arguments.backgrounds, SUFFIXES).files]
    rng, painter = np.random.default_rng(arguments.seed), Painter(photographs, arguments.seed)
    faces, emotions = read_faces(arguments.data, 2 * arguments.count, arguments.seed)
    some = faces[: arguments.count]
    nobody = [painter.background() for _ in some]
    detectors = {name: load_detector(name) for name in DETECTORS}
    for detector in detectors.values():
        # The first picture takes longer.
        detector.detect(nobody[0])
    mixed = [painter.scene(face, rng.uniform(96, 288), rng.uniform(-15, 15)) for face in faces]
    print_scenes(f"faces of 96 to 288 pixels, turned by up to 15°, in {WIDTH}x{HEIGHT}", detectors, mixed)
    print_without_a_face(detectors, nobody)
    by_size = {str(side): [painter.scene(face, side) for face in some] for side in SIZES}
    print_recall(f"found of {len(some)} upright faces, by side in pixels", detectors, by_size)
    by_angle = {f"{angle}°": [painter.scene(face, 144, angle) for face in some] for angle in ANGLES}
    print_recall(f"found of {len(some)} faces of 144 pixels, by angle", detectors, by_angle)
    large = [painter.scene(face, rng.uniform(72, 168), size=LARGE) for face in some[: arguments.count // 2]]
    print_scenes(f"upright faces of 72 to 168 pixels in {LARGE[0]}x{LARGE[1]}", detectors, large)
    upright = [painter.scene(face, rng.uniform(96, 288)) for face in faces]
    for name, detector in detectors.items():
        print(f"\nframing of {name}, {len(upright)} upright faces of 96 to 288 pixels")
        print_framing(detector, faces, emotions, upright)


if __name__ == "__main__":
    main()
