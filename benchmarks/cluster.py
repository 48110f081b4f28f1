"""What running on Ray costs: start-up, scaling over nodes, and the driver's part in a hundred steps.

    python benchmarks/cluster.py [--seconds 30] [--rounds 3] [--steps 100]

Nodes, ZenML's server and MLflow's all run on this machine, so that steps which sleep show what scheduling costs and
nothing else. "Start-up" is from the submission to the first line of the first step: Python, ZenML and Ray are imported
in the driver, in the supervisor and in each worker. "Ratio" is the time from there to the end of the last step, over
the time of the slowest step.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.toys.ray import ToyCluster, toy_cluster


@dataclass
class Measured:
    """One run, in seconds."""

    total: float
    start_up: float
    span: float
    slowest: float
    driver: float


def measure(cluster: ToyCluster, count: int, seconds: float) -> Measured:
    """Run `count` steps that sleep and do not depend on each other."""
    begin, used = time.time(), processor()
    status, output = cluster.run("many", count=count, seconds=seconds)
    total, driver = time.time() - begin, processor() - used
    if status:
        raise SystemExit(output)
    labels = [f"many_{number}" for number in range(count)]
    begun = [cluster.noted(label)[0]["time"] for label in labels]
    ended = [cluster.noted(label, "end")[0]["time"] for label in labels]
    slowest = max(end - start for start, end in zip(begun, ended, strict=True))
    return Measured(total, min(begun) - begin, max(ended) - min(begun), slowest, driver)


def processor() -> float:
    """Seconds of processor time that processes which have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="that a step of the scaling test sleeps")
    parser.add_argument("--rounds", type=int, default=3, help="times that each is measured")
    parser.add_argument("--steps", type=int, default=100, help="how many make the long run")
    arguments = parser.parse_args()
    print("| nodes | steps | start-up, s | slowest step, s | from first to last, s | ratio |")
    print("|---:|---:|---:|---:|---:|---:|")
    for count in (1, 2, 4):
        with tempfile.TemporaryDirectory() as folder, toy_cluster(Path(folder), nodes=count, warm=False) as cluster:
            runs = [measure(cluster, count, arguments.seconds) for _ in range(arguments.rounds)]
        middle = {
            name: statistics.median(getattr(run, name) for run in runs) for name in ("start_up", "slowest", "span")
        }
        ratio = statistics.median(run.span / run.slowest for run in runs)
        print(
            f"| {count} | {count} | {middle['start_up']:.1f} | {middle['slowest']:.1f} | {middle['span']:.1f} "
            f"| {ratio:.2f} |",
            flush=True,
        )
    print("\n| steps that do nothing, two nodes | whole run, s | seconds a step | driver's processor time, s |")
    print("|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder, toy_cluster(Path(folder), nodes=2, warm=False) as cluster:
        for count in (7, arguments.steps):
            runs = [measure(cluster, count, 0) for _ in range(arguments.rounds)]
            total = statistics.median(run.total for run in runs)
            driver = statistics.median(run.driver for run in runs)
            print(f"| {count} | {total:.1f} | {total / count:.2f} | {driver:.1f} |", flush=True)


if __name__ == "__main__":
    main()
