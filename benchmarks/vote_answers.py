"""What each network of the shipped vote says about Training and PublicTest: soft labels for networks that it teaches.

    python benchmarks/vote_answers.py DATA [--to FILE] [--limit N]
    python benchmarks/vote_answers.py DATA --teacher FILE

DATA is a folder with fer2013.csv. `vote_answers.npz` beside this script is what it wrote: `row SPLIT` (N,) int32 are
rows of fer2013.csv, `SPLIT NETWORK TARGET` (N, classes) float16 the probabilities of one network, averaged over the
views that the bundle's card names, before votes and temperatures. It takes a quarter of an hour of two cores, 31 ms a
picture. `--teacher` makes of what is stored a file for `backbones: [{teacher: FILE}]`: what the vote answers about the
pictures of Training, without its temperature, which was found to be right about pictures that it has not seen.
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
from ferkit.training.teacher_file import write_teacher_file

ANSWERS = Path(__file__).with_name("vote_answers.npz")
SPLITS = ("Training", "PublicTest")


def predict_splits(bundle: Bundle, faces: FaceDataset, limit: int | None) -> dict[str, NDArray[np.generic]]:
    """The arrays of the file."""
    found: dict[str, NDArray[np.generic]] = {}
    for split in SPLITS:
        pictures = faces.of_split(split).take(np.arange(len(faces.of_split(split)))[:limit])
        found[f"row {split}"] = pictures.row.astype(np.int32)
        for name in bundle.voters:
            start = time.perf_counter()
            predicted = bundle.predict_network(name, pictures.images)
            found |= {f"{split} {name} {target}": each.astype(np.float16) for target, each in predicted.items()}
            print(f"{split}: {len(pictures)} pictures, {name}, {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return found


def write_teacher(bundle: Bundle, faces: FaceDataset, stored: Path, to: Path) -> None:
    """The vote's answers about Training from what its networks answered, as a teacher's file."""
    pictures = faces.of_split("Training")
    with np.load(stored, allow_pickle=False) as arrays:
        known = np.isin(pictures.row, arrays["row Training"])
        pictures = pictures.take(known)
        at = np.searchsorted(arrays["row Training"], pictures.row)
        networks = {
            name: {
                target: arrays[f"Training {name} {target}"][at].astype(np.float32)
                for target in bundle.card.networks[name].heads
            }
            for name in bundle.voters
        }
    answers = {target: bundle.vote(networks, target, model="vote", calibrated=False) for target in bundle.targets}
    write_teacher_file(to, pictures.images, answers)
    print(f"{len(pictures)} pictures: {to}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--to", type=Path, default=ANSWERS)
    parser.add_argument("--limit", type=int, help="pictures of each split, all if empty")
    parser.add_argument("--teacher", type=Path, help="write a teacher's file from the stored answers, ask nobody")
    arguments = parser.parse_args()
    faces = load_fer2013(Fer2013Settings(path=arguments.data, ferplus="off"))
    if arguments.teacher:
        write_teacher(load_bundle(), faces, arguments.to, arguments.teacher)
        return
    with written_whole(arguments.to) as part:
        np.savez_compressed(part, **predict_splits(load_bundle(), faces, arguments.limit))


if __name__ == "__main__":
    main()
