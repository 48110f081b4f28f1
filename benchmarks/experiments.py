"""What the cells of an experiment cost beside their training: on this machine, and side by side on a Ray cluster.

    python benchmarks/experiments.py [--cells 12] [--rounds 5] [--nodes 2 --nodes 4]

On this machine it counts processor time of `ferkit experiment`: where there is nothing left to do, and where all cells
but two are left. In the second, each training is timed within the process, and what lies between the end of one and the
begin of the next is what a cell costs over its training: its other steps, its records in ZenML and MLflow, its report.
The first training imports TensorFlow and traces its functions, and counts as part of the start. The same work called
directly, in a process of its own, has no ZenML, no MLflow and no report. The goal is at most 3 s a cell over the
training, in the median of `--rounds` measurements: processor time of the same work differs where others use the same
cores.

On the cluster, whose nodes have one core each and share this machine, the ratio is the time from the first step to the
end of the last one, over the ideal: what all cells share, and then the rest of what the steps took, spread over the
nodes without a gap. The goal is 1.15. Steps take longer where nodes share cores, which is in both; where the cores were
busy all the time, nothing but more of them would make it shorter.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean, median
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

BASE = {
    "name": "tiny",
    "data": {"source": "synthetic", "count": 400},
    "validation": {"minimum_class": 1},
    "targets": [{"name": "fer"}],
    "backbones": [{"name": "fernet", "width": 4, "depth": 1, "input_size": 24}],
    "training": {"network": {"epochs": 3, "warmup_epochs": 0}},
    "evaluation": {"bootstrap": 100},
}
# A command of ferkit, given behind the file that gets a line, begin and end, for each network it trains: seconds of
# processor time since the process began.
TIMED = """
import sys, time
import ferkit.training.member as member

file, train_member = sys.argv.pop(1), member.train_member

def timed(*given, **named):
    begin = time.process_time()
    made = train_member(*given, **named)
    with open(file, "a") as lines:
        print(begin, time.process_time(), file=lines)
    return made

member.train_member = timed
from ferkit.cli.app import main
main()
"""
# The cells of an experiment without a pipeline: seconds of processor time of one, the mean of all but the first.
DIRECT = """
import sys, tempfile, time
from pathlib import Path
from ferkit.experiments.cells import load_experiment
from ferkit.standalone.run import train_run
from ferkit.standalone.run_data import read_data

configs = [config for cell in load_experiment(Path(sys.argv[1])).cells for config in cell.configs.values()]
data = read_data(configs[0])
times = []
for config in configs:
    with tempfile.TemporaryDirectory() as folder:
        train_run(config, data, Path(folder), test=False)
    times.append(time.process_time())
print((times[-1] - times[0]) / (len(times) - 1))
"""
# Cells done before the others are measured, so that stores are there and what cells share is in the cache.
_BEFORE = 2
_LINE = re.compile(r"(\d\d:\d\d:\d\d)  (.+?) \| (\w+) (?:(\.\.\.)|took ([\d.]+)s)")


@dataclass(frozen=True)
class Occupancy:
    """How the steps of several runs filled the nodes of a cluster, in seconds.

    Attributes
    ----------
    span
        From the begin of the first step to the end of the last one.
    busy
        Of all steps together.
    shared
        Of those that only one run executed.
    """

    span: float
    busy: float
    shared: float

    def ratio(self, nodes: int) -> float:
        """The span over the ideal one."""
        return self.span / (self.shared + (self.busy - self.shared) / nodes)


def occupancy(lines: Iterable[str]) -> Occupancy:
    """Read it from what `ferkit experiment` says."""
    times, took = [], dict[str, list[float]]()
    for line in lines:
        if found := _LINE.match(line):
            clock, _, step, _, seconds = found.groups()
            at = datetime.strptime(clock, "%H:%M:%S")
            # Midnight may have passed.
            times.append(at + timedelta(days=1) if times and at < times[0] else at)
            if seconds:
                took.setdefault(step, []).append(float(seconds))
    busy = sum(map(sum, took.values()))
    shared = sum(each[0] for each in took.values() if len(each) == 1)
    return Occupancy((times[-1] - times[0]).total_seconds(), busy, shared)


def write_experiment(folder: Path, cells: int) -> Path:
    """An experiment whose cells share everything but the training and what depends on it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "base.yaml").write_text(yaml.safe_dump(BASE))
    levels = {f"s{number}": {"training.label_smoothing": number / 100} for number in range(cells)}
    file = folder / f"cells_{cells}.yaml"
    content = {"name": "toy", "base": "base.yaml", "factors": {"smoothing": levels}, "seeds": 1}
    file.write_text(yaml.safe_dump({**content, "measure": {"bootstrap": 200}}, sort_keys=False))
    return file


def processor_time(*arguments: str, home: Path) -> tuple[float, str]:
    """Seconds of processor time that a Python process takes, and what it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "FERKIT_HOME": str(home), "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout


def over_trainings(trainings: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Seconds of a training and of what follows it until the next one, means without the first.

    Parameters
    ----------
    trainings
        Begin and end of each, in seconds of processor time of one process.
    """
    begins, ends = zip(*trainings, strict=True)
    took = [end - begin for begin, end in trainings]
    return mean(took[1:]), mean(begin - end for begin, end in zip(begins[1:], ends, strict=False))


def here(cells: int) -> tuple[float, ...]:
    """The columns of this machine behind the number of cells: seconds of processor time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, every = (write_experiment(folder, number) for number in (_BEFORE, cells))
        lines = folder / "trainings.txt"
        command = ("-c", TIMED, str(lines), "experiment")
        processor_time(*command, str(before), home=folder / "home")
        nothing, _ = processor_time(*command, str(before), home=folder / "home")
        lines.unlink()
        whole, _ = processor_time(*command, str(every), home=folder / "home")
        _, directly = processor_time("-c", DIRECT, str(every), home=folder / "home")
        trainings = [(float(begin), float(end)) for begin, end in map(str.split, lines.read_text().splitlines())]
    training, over = over_trainings(trainings)
    share = (whole - nothing) / len(trainings) - training
    return nothing, trainings[0][1], training, float(directly.split()[-1]), over, share


def on_cluster(cells: int, nodes: int) -> str:
    """The row of a cluster of so many nodes."""
    from tests.toys.ray import toy_cluster

    with tempfile.TemporaryDirectory() as name, toy_cluster(Path(name), nodes=nodes, warm=False) as cluster:
        file = write_experiment(Path(name) / "experiment", cells)
        process = cluster.ferkit("experiment", str(file), "--stack", str(cluster.stack))
        lines, loads = [], []
        for line in process.stdout or ():
            lines.append(line)
            if _LINE.match(line):
                loads.append(psutil.cpu_times())
    if process.wait():
        raise SystemExit("".join(lines))
    found, load = occupancy(lines), _load(loads[0], loads[-1])
    return (
        f"| {nodes} | {cells} | {found.shared:.0f} | {found.busy:.0f} | {found.span:.0f} | {found.ratio(nodes):.2f} |"
        f" {100 * load:.0f} % |"
    )


def _load(before: Any, after: Any) -> float:
    """The share of the time between two readings of all cores in which they had something to do."""
    idle = after.idle + after.iowait - before.idle - before.iowait
    return 1 - idle / (sum(after) - sum(before))


def _row(name: object, seconds: Iterable[float]) -> str:
    return " ".join(["|", str(name), "|", *(f"{each:.2f} |" for each in seconds)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=1, help="times that this machine is measured")
    parser.add_argument("--nodes", type=int, action="append", default=[], help="of a cluster; may be repeated")
    arguments = parser.parse_args()
    if arguments.cells < _BEFORE + 3:
        parser.error(f"--cells {arguments.cells}: expected at least {_BEFORE + 3}")
    if arguments.rounds < 1:
        parser.error(f"--rounds {arguments.rounds}: expected at least 1")
    print(
        "| cells | nothing to do, s | until one is trained, s | a training, s | the same work called directly, s |"
        " a cell over its training, s | with its share of start and answer, s |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    measured = []
    for _ in range(arguments.rounds):
        measured.append(here(arguments.cells))
        print(_row(arguments.cells, measured[-1]), flush=True)
    if arguments.rounds > 1:
        print(_row("median", map(median, zip(*measured, strict=True))))
    if arguments.nodes:
        print("\n| nodes | cells | shared steps, s | all steps, s | from first to last, s | ratio | cores busy |")
        print("|---:|---:|---:|---:|---:|---:|---:|")
    for nodes in arguments.nodes:
        print(on_cluster(arguments.cells, nodes), flush=True)


if __name__ == "__main__":
    main()
