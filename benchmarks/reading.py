"""How long reading fer2013.csv with its FER+ votes takes, and how much memory, as whole processes.

    python benchmarks/reading.py DATA

DATA is a folder with fer2013.csv and fer2013new.csv. Every run is a process of its own: seconds are from its start to
its end, interpreter and imports included, and the peak is the most memory that it held at once. The yardstick is what
people write without ferkit: pandas.read_csv, then each picture's text split into numbers. The first run of all reads
the file into the system's cache and is not counted. Processor seconds say what is left of a measurement on a machine
that does other things, too. The goal is 5 s and 1 GB.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

READERS = {
    "ferkit": """
from pathlib import Path
from ferkit.sources.fer2013 import Fer2013Settings, load_fer2013
faces = load_fer2013(Fer2013Settings(path=Path(sys.argv[1]), ferplus="required"))
images, votes = faces.images, faces.votes
""",
    "pandas, split": """
import numpy as np
import pandas as pd
table = pd.read_csv(sys.argv[1] + "/fer2013.csv")
images = np.stack([np.array(text.split(), dtype=np.uint8).reshape(48, 48) for text in table["pixels"]])
votes = pd.read_csv(sys.argv[1] + "/fer2013new.csv").iloc[:, 2:].to_numpy(dtype=np.uint8)
""",
}
# Each reader prints this, so that one that reads something else, or nothing, is found.
CHECK = "print(len(images), int(images.sum(dtype=np.int64)), int(votes.sum(dtype=np.int64)))\n"


def measure(code: str, data: Path) -> tuple[float, float, float, str]:
    """Seconds, processor seconds, peak memory in GB, and what a reader printed."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys\nimport numpy as np\n{code}{CHECK}", str(data)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process, process.stdout:
        printed = process.stdout.read()
        # Of this process alone, where RUSAGE_CHILDREN is the largest of all before it.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"reading {data} failed")
    # Kilobytes on Linux.
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9, printed.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with fer2013.csv and fer2013new.csv")
    parser.add_argument("--runs", type=int, default=5, help="runs of each reader")
    arguments = parser.parse_args()
    measure(READERS["ferkit"], arguments.data)
    print(f"{'reader':16} {'median s':>9} {'fastest':>9} {'slowest':>9} {'CPU s':>9} {'peak GB':>9}")
    seen = set()
    for name, code in READERS.items():
        runs = [measure(code, arguments.data) for _ in range(arguments.runs)]
        seconds = [run[0] for run in runs]
        seen |= {run[3] for run in runs}
        print(
            f"{name:16} {statistics.median(seconds):9.2f} {min(seconds):9.2f} {max(seconds):9.2f} "
            f"{statistics.median(run[1] for run in runs):9.2f} {max(run[2] for run in runs):9.2f}",
            flush=True,
        )
    if len(seen) != 1:
        sys.exit(f"the readers disagree: {seen}")


if __name__ == "__main__":
    main()
