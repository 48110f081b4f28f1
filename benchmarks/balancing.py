"""What each balancing method makes of the classes of FER-2013, how long it takes, and how much memory.

    python benchmarks/balancing.py DATA

DATA is a folder with fer2013.csv and fer2013new.csv. Every method runs in a process of its own, so that the peak it
reports is its own. "peak" is of the whole process, with the libraries and the pictures.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

from ferkit.data.labels import class_names
from ferkit.data.targets import TargetSettings
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013

METHODS = get_args(BalancingSettings.model_fields["method"].annotation)


def measure(data: Path, target: str, method: str) -> None:
    faces = load_fer2013(Fer2013Settings(path=data))
    settings = BalancingSettings.model_validate({"method": method, "class_weight": True})
    start = time.perf_counter()
    training_set = oversample(faces, TargetSettings.model_validate({"name": target}), settings, seed=0)
    seconds = time.perf_counter() - start
    # Kilobytes on Linux.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    counts = " ".join(f"{count:>9,}" for count in training_set.counts_after)
    print(f"{target:8} {method:20} {counts} {seconds:8.1f} {peak:9.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with fer2013.csv and fer2013new.csv")
    parser.add_argument("--only", nargs=2, metavar=("TARGET", "METHOD"), help="one line, in this process")
    arguments = parser.parse_args()
    if arguments.only:
        measure(arguments.data, *arguments.only)
        return
    for target in ("fer", "ferplus"):
        names = " ".join(f"{name:>9}" for name in class_names(target))
        print(f"{'target':8} {'method':20} {names} {'seconds':>8} {'peak GiB':>9}", flush=True)
        for method in METHODS:
            command = [sys.executable, __file__, str(arguments.data), "--only", target, method]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
