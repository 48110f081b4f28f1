"""How well `drop_non_faces` tells pictures that are not a face from faces, and what it costs.

    python benchmarks/cleaning.py DATA

DATA is a folder with fer2013.csv, whole or a sample, and fer2013new.csv. The truth is `non_faces.csv`: all 35,887
pictures were looked at. "held out" are the scores of cross-validated networks (`train_non_face_model.py --folds`),
"shipped" those of the model in the package, which was trained on these pictures.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import SPLITS
from ferkit.preparation.cleaning import CleaningSettings, drop_non_faces
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013
from ferkit.sources.synthetic.generate import SyntheticSettings, generate

HERE = Path(__file__).resolve().parent
Mask = NDArray[np.bool_]


def wilson(hits: int, count: int) -> str:
    """Share and its 95 % interval (Wilson 1927) in per cent."""
    share, z2 = hits / count, 1.96**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = 1.96 / (1 + z2 / count) * np.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    low, high = 100 * max(0.0, centre - half), 100 * (centre + half)
    return f"{hits:4} of {count:6,} = {100 * share:6.2f} % ({low:.2f} - {high:.2f})"


def report(name: str, dropped: Mask, is_face: Mask) -> None:
    found, lost = int(dropped[~is_face].sum()), int(dropped[is_face].sum())
    print(f"{name:34} {wilson(found, int((~is_face).sum())):44} {wilson(lost, int(is_face.sum()))}")


def dropped_by(faces: FaceDataset, **options: bool) -> Mask:
    result = drop_non_faces(faces, CleaningSettings(splits=SPLITS, **options))
    return ~np.isin(faces.row, result.faces.row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with fer2013.csv and fer2013new.csv")
    faces = load_fer2013(Fer2013Settings(path=parser.parse_args().data))
    hashes = faces.picture_hashes()
    is_face = ~np.isin(hashes, pd.read_csv(HERE / "non_faces" / "non_faces.csv")["sha256"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    shipped = dropped_by(faces)
    seconds, peak = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    print(f"{len(faces):,} pictures: {seconds:.1f} s, peak memory {peak / 1024:.0f} MB ({before / 1024:.0f} before)\n")
    print(f"{'':34} {'not a face: found (95 % interval)':44} faces: dropped (95 % interval)")
    held_out = pd.read_csv(HERE / "non_faces" / "non_faces_held_out.csv")
    report("pixels, held out", np.isin(hashes, held_out["sha256"][held_out["score"] >= 0.5]), is_face)
    report("pixels, shipped", shipped, is_face)
    if faces.votes is not None:
        report("FER+ votes, 10 of 10 NF", dropped_by(faces, pixels=False, ferplus_votes=True), is_face)
        report("pixels or votes", dropped_by(faces, ferplus_votes=True), is_face)
    for seed in (0, 7):
        drawn = generate(SyntheticSettings(count=2000, seed=seed))
        report(f"pixels, synthetic seed {seed}", dropped_by(drawn.faces), drawn.is_face)


if __name__ == "__main__":
    main()
