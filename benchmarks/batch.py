"""How many pictures a second `ferkit predict` does, one thread after the other and with pictures read ahead.

    python benchmarks/batch.py [FOLDER]

Without a FOLDER of pictures, the built-in drawn faces are pasted into photographs that scikit-learn brings, and saved
as JPEG of 640x480 and of 2560x1920 pixels. Each line is the best of ``--runs``, which take turns: a machine that does
other things, too, slows some of them.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from ferkit.bundles.bundle import load_bundle
from ferkit.detection.loading import load_detector
from ferkit.inference.batches import predict_pictures
from ferkit.inference.inputs import Source, list_sources
from ferkit.inference.predictor import Predictor
from ferkit.inference.stream import pictures_of_sources
from ferkit.sources.synthetic.generate import SyntheticSettings, generate

SIZES = ((640, 480), (2560, 1920))
# Name, whether pictures are read ahead, pictures of which the network sees the faces at once.
WAYS = (("one after the other, 16", False, 16), ("read ahead, 16", True, 16), ("read ahead, 32", True, 32))


def draw_pictures(folder: Path, count: int) -> Iterator[tuple[str, list[Source]]]:
    """Pictures with a face each, in a folder for each size."""
    faces = generate(SyntheticSettings(seed=0)).faces.images[:count]
    photographs = load_sample_images().images
    for width, height in SIZES:
        part = folder / f"{width}x{height}"
        part.mkdir()
        for index, face in enumerate(faces):
            picture = cv2.resize(photographs[index % 2], (width, height))
            side = height // 2
            enlarged = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
            picture[side // 2 : side // 2 + side, side // 2 : side // 2 + side] = enlarged[..., None]
            Image.fromarray(picture).save(part / f"{index:04d}.jpg", quality=90)
        yield part.name, list_sources([str(part)]).sources


def pictures_a_second(sources: list[Source], predictor: Predictor, *, ahead: bool, batch: int) -> float:
    start = time.perf_counter()
    count = sum(map(len, predict_pictures(pictures_of_sources(sources, 1), predictor, ahead=ahead, batch=batch)))
    return count / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="pictures to take instead")
    parser.add_argument("--count", type=int, default=96, help="pictures that are drawn of each size")
    parser.add_argument("--runs", type=int, default=3, help="runs of each line")
    arguments = parser.parse_args()
    bundle = load_bundle()
    with tempfile.TemporaryDirectory() as scratch:
        named = [(str(arguments.folder), list_sources([str(arguments.folder)]).sources)] if arguments.folder else []
        for title, sources in named or draw_pictures(Path(scratch), arguments.count):
            print(f"{title}, {len(sources)} pictures, a second")
            for model in reversed(bundle.card.models):
                classify = partial(bundle.predict, model=model)
                predictor = Predictor(classify, bundle.classes("fer"), load_detector("blazeface"))
                pictures_a_second(sources[:40], predictor, ahead=False, batch=32)
                rates = np.array(
                    [
                        [pictures_a_second(sources, predictor, ahead=ahead, batch=batch) for _, ahead, batch in WAYS]
                        for _ in range(arguments.runs)
                    ]
                )
                for (name, *_), rate in zip(WAYS, rates.max(axis=0), strict=True):
                    print(f"  {model:9} {name:24} {rate:6.1f}", flush=True)


if __name__ == "__main__":
    main()
