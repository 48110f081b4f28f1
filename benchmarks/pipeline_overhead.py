"""What ZenML and MLflow cost: a run of the pipeline beside the same work called directly.

    python benchmarks/pipeline_overhead.py CONFIG [--set KEY=VALUE ...] [--runs 3] [--cached 3] [--first 3]

Both sides are whole processes that read, validate, clean, balance, train and judge every network of CONFIG; they run in
turn, each time from nothing. The goal is at most 1.05. Then the last run again as often as `--cached` says, where
nothing is left to do: the processor time of the whole command, which other work on the machine prolongs less, and what
it wrote. The goal is 10 s on two idle cores. And `--first` times the same run with another learning rate, until the
first training begins: all that comes before it is in the cache. That goal, too, is 10 s on two idle cores.
"""

import argparse
import math
import os
import signal
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
from ferkit.standalone.run import train_run
from ferkit.standalone.run_data import read_data

config = load_config(Path(sys.argv[1]), sys.argv[2:])
data = read_data(config)
validate(data.ingested, config.validation)
with tempfile.TemporaryDirectory() as folder:
    train_run(config, data, Path(folder))
"""


def environment(home: str) -> dict[str, str]:
    """Of a command whose state lies in `home`."""
    return {**os.environ, "FERKIT_HOME": home, "PYTHONPATH": str(ROOT), "GX_ANALYTICS_ENABLED": "false"}


def seconds(command: list[str], home: str) -> tuple[float, float]:
    """By the clock, and of processor time."""
    begin, before = time.perf_counter(), os.times()
    subprocess.run(command, env=environment(home), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    now = os.times()
    used = now.children_user + now.children_system - before.children_user - before.children_system
    return time.perf_counter() - begin, used


def until_first_training(command: list[str], home: str) -> float:
    """Seconds by the clock until the run says that it trains; the run is interrupted then."""
    begin = time.perf_counter()
    with subprocess.Popen(
        command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        took = math.nan
        for line in process.stdout or ():
            if "fine_tune_" in line and math.isnan(took):
                took = time.perf_counter() - begin
                process.send_signal(signal.SIGINT)
    return took


def size(folder: str) -> int:
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cached", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    through_flags = [word for override in args.overrides for word in ("--set", override)]
    command = [sys.executable, "-c", "from ferkit.cli.app import main; main()", "run", args.config, *through_flags]
    pairs = []
    for number in range(args.runs):
        with tempfile.TemporaryDirectory() as home:
            through, used = seconds(command, home)
            direct, used_directly = seconds([sys.executable, "-c", DIRECT, args.config, *args.overrides], home)
            pairs.append((through, direct))
            print(
                f"pipeline {through:7.1f} s   direct {direct:7.1f} s   ratio {through / direct:.3f}   "
                f"processor {used:.1f} and {used_directly:.1f} s", flush=True,
            )  # fmt: skip
            for _ in range(args.cached if number == args.runs - 1 else 0):
                before = size(home)
                cached, used = seconds(command, home)
                written = (size(home) - before) / 1e6
                print(f"cached   {cached:7.1f} s   processor {used:.1f} s   {written:.2f} MB", flush=True)
            for other in range(args.first if number == args.runs - 1 else 0):
                changed = [*command, "--set", f"training.network.learning_rate={0.0011 + other * 1e-5}"]
                print(f"first training begins after {until_first_training(changed, home):.1f} s", flush=True)
    print(f"median ratio {statistics.median(through / direct for through, direct in pairs):.3f}")


if __name__ == "__main__":
    main()
