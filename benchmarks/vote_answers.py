"""What each network of the shipped vote says about Training and PublicTest: soft labels for networks that it teaches.

    python benchmarks/vote_answers.py DATA [--to FILE] [--limit N]

DATA is a folder with fer2013.csv. `vote_answers.npz` beside this script is what it wrote: `row SPLIT` (N,) int32 are
rows of fer2013.csv, `SPLIT NETWORK TARGET` (N, classes) float16 the probabilities of one network, averaged over the
views that the bundle's card names, before votes and temperatures. It takes a quarter of an hour of two cores, 31 ms a
picture.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.bundles.bundle import Bundle, load_bundle
from ferkit.data.dataset import FaceDataset
from ferkit.files import written_whole
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013

ANSWERS = Path(__file__).with_name("vote_answers.npz")
SPLITS = ("Training", "PublicTest")


def voters(bundle: Bundle) -> list[str]:
    """Names of the networks that have a vote for some target."""
    cards = bundle.card.targets.values()
    return list(dict.fromkeys(name for card in cards for name in card.vote(single=False).weights))


def answers(bundle: Bundle, faces: FaceDataset, limit: int | None) -> dict[str, NDArray[np.generic]]:
    """The arrays of the file."""
    found: dict[str, NDArray[np.generic]] = {}
    for split in SPLITS:
        pictures = faces.of_split(split).take(np.arange(len(faces.of_split(split)))[:limit])
        found[f"row {split}"] = pictures.row.astype(np.int32)
        for name in voters(bundle):
            start = time.perf_counter()
            predicted = bundle.predict_network(name, pictures.images, bundle.card.tta)
            found |= {f"{split} {name} {target}": each.astype(np.float16) for target, each in predicted.items()}
            print(f"{split}: {len(pictures)} pictures, {name}, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--to", type=Path, default=ANSWERS)
    parser.add_argument("--limit", type=int, help="pictures of each split, all if empty")
    arguments = parser.parse_args()
    faces = load_fer2013(Fer2013Settings(path=arguments.data, ferplus="off"))
    with written_whole(arguments.to) as part:
        np.savez_compressed(part, **answers(load_bundle(), faces, arguments.limit))


if __name__ == "__main__":
    main()
