"""What ZenML and MLflow cost: a run of the pipeline beside the same work called directly.

    python benchmarks/pipeline_overhead.py CONFIG [--set KEY=VALUE ...] [--runs 3]

Both sides are whole processes that read, validate, clean, balance, train and judge every network of CONFIG; they run in
turn, each time from nothing. The goal is at most 1.05.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIRECT = """
import sys, tempfile
from pathlib import Path
from ferkit.config.loading import load_config
from ferkit.preparation.validation import validate
from ferkit.standalone.members import read_data
from ferkit.standalone.run import train_run

config = load_config(Path(sys.argv[1]), sys.argv[2:])
data = read_data(config)
validate(data.ingested, config.validation)
with tempfile.TemporaryDirectory() as folder:
    train_run(config, data, Path(folder))
"""


def seconds(command: list[str], home: str) -> float:
    begin = time.perf_counter()
    environment = {**os.environ, "FERKIT_HOME": home, "PYTHONPATH": str(ROOT), "GX_ANALYTICS_ENABLED": "false"}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    through_flags = [word for override in args.overrides for word in ("--set", override)]
    pairs = []
    for _ in range(args.runs):
        with tempfile.TemporaryDirectory() as home:
            pipeline = [
                sys.executable,
                "-c",
                "from ferkit.cli.app import main; main()",
                "run",
                args.config,
                *through_flags,
            ]
            through = seconds(pipeline, home)
            direct = seconds([sys.executable, "-c", DIRECT, args.config, *args.overrides], home)
        pairs.append((through, direct))
        print(f"pipeline {through:7.1f} s   direct {direct:7.1f} s   ratio {through / direct:.3f}", flush=True)
    print(f"median ratio {statistics.median(through / direct for through, direct in pairs):.3f}")


if __name__ == "__main__":
    main()
