"""What the cells of an experiment cost beside their training: on this machine, and side by side on a Ray cluster.

    python benchmarks/experiments.py [--cells 12] [--nodes 2 --nodes 4]

On this machine it counts processor time of whole processes: of `ferkit experiment` with nothing left to do, with one
cell left, and with all the others left. What the last takes more than the one before is the cells' own: the first one
to train in a process imports TensorFlow and traces its functions, which is in both. The training is timed alone in the
same work called directly, there, too, without the first one. The goal is at most 3 s a cell over the training.

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
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
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
DIRECT = """
import sys, tempfile, time
from pathlib import Path
import ferkit.standalone.members as members
from ferkit.experiments.cells import load_experiment
from ferkit.standalone.run import train_run
from ferkit.standalone.run_data import read_data

alone, train_member = [], members.train_member

def timed(*given, **named):
    begin = time.process_time()
    made = train_member(*given, **named)
    alone.append(time.process_time() - begin)
    return made

members.train_member = timed
configs = [config for cell in load_experiment(Path(sys.argv[1])).cells for config in cell.configs.values()]
data = read_data(configs[0])
whole = []
for config in configs:
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        train_run(config, data, Path(folder), test=False)
    whole.append(time.process_time() - begin)
print(sum(alone[1:]) / len(alone[1:]), sum(whole[1:]) / len(whole[1:]))
"""
# Done before the others are measured, so that stores are there and what cells share is in the cache.
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


def here(cells: int) -> str:
    """The row of this machine: seconds of processor time a cell."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, one_more, every = (write_experiment(folder, number) for number in (_BEFORE, _BEFORE + 1, cells))
        command = ("-c", "from ferkit.cli.app import main; main()", "experiment")
        processor_time(*command, str(before), home=folder / "home")
        nothing, _ = processor_time(*command, str(before), home=folder / "home")
        first, _ = processor_time(*command, str(one_more), home=folder / "home")
        others, _ = processor_time(*command, str(every), home=folder / "home")
        _, said = processor_time("-c", DIRECT, str(every), home=folder / "home")
    alone, directly = map(float, said.split()[-2:])
    cell = (others - first) / (cells - _BEFORE - 2)
    whole = (others - nothing) / (cells - _BEFORE - 1)
    return (
        f"| {cells} | {nothing:.1f} | {first - cell:.1f} | {alone:.2f} | {directly:.2f} | {cell:.2f} |"
        f" {cell - alone:.2f} | {whole - alone:.2f} |"
    )


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--nodes", type=int, action="append", default=[], help="of a cluster; may be repeated")
    arguments = parser.parse_args()
    if arguments.cells < _BEFORE + 3:
        parser.error(f"--cells {arguments.cells}: expected at least {_BEFORE + 3}")
    print(
        "| cells | nothing to do, s | before the first cell, s | training alone, s | the same work directly, s |"
        " a cell, s | over the training, s | with its share of the start, s |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    print(here(arguments.cells), flush=True)
    if arguments.nodes:
        print("\n| nodes | cells | shared steps, s | all steps, s | from first to last, s | ratio | cores busy |")
        print("|---:|---:|---:|---:|---:|---:|---:|")
    for nodes in arguments.nodes:
        print(on_cluster(arguments.cells, nodes), flush=True)


if __name__ == "__main__":
    main()
