"""`ferkit experiment` as a person runs it: killed in the middle, gone on with, through real ZenML and MLflow stores.

And with a search in the same folder of state, whose cache has what both make of the data: a good, a poor, an
impossible rate.
"""

import signal
import subprocess
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from ferkit.data.duplicates import cross_split_duplicates
from ferkit.experiments.cells import load_experiment
from ferkit.experiments.results import RunStore
from ferkit.sources import load
from tests.toys.command import forked
from tests.toys.services import CLEAN, wait_for
from tests.toys.state import prepared_home

ROOT = Path(__file__).parents[2]
BASE = {
    "name": "tiny",
    "data": {"source": "synthetic", "count": 400},
    "validation": {"minimum_class": 1},
    "targets": [{"name": "fer"}],
    "backbones": [{"name": "fernet", "width": 4, "depth": 1, "input_size": 24}],
    "training": {"network": {"epochs": 1, "learning_rate": 0.003, "warmup_epochs": 0}},
    "evaluation": {"bootstrap": 100},
}
EXPERIMENT = {
    "name": "toy",
    "base": "base.yaml",
    "factors": {
        "balancing": {"none": {}, "repeated": {"balancing.method": "random_over_sampler"}},
        "smoothing": {"hard": {}, "smooth": {"training.label_smoothing": 0.1}},
    },
    # The combinations are those of tests/experiments/test_cells.py.
    "cells": [
        {"balancing": "none", "smoothing": "hard"}, {"balancing": "none", "smoothing": "smooth"},
        {"balancing": "repeated", "smoothing": "hard"},
    ],
    "seeds": 2,
    "measure": {"bootstrap": 200},
    "published": {"none+hard": None, "none+smooth": 0.512},
    "claims": [{"claim": "smooth is better", "cell": "none+smooth", "than": "none+hard", "expected": "better"}],
}  # fmt: skip
RATE = "training.network.learning_rate"
# The grid's order with this seed is that of the list.
RATES = {
    "name": "rates",
    "base": "rates_base.yaml",
    "search": {
        "sampler": "grid", "seed": 5, "ranges": {RATE: [0.003, 3.0, 1e30]},
        "pruner": {"startup_trials": 1, "warmup_epochs": 0},
    },
    "measure": {"metric": "log_loss"},
}  # fmt: skip


CELLS = ["none+hard", "none+smooth", "repeated+hard"]


class Experiment:
    """An experiment that was killed after its second run, and finished by the same command."""

    def __init__(self, root):
        (root / "base.yaml").write_text(yaml.safe_dump(BASE, sort_keys=False))
        self.file, self.home = root / "toy.yaml", prepared_home(root / "home")
        self.file.write_text(yaml.safe_dump(EXPERIMENT, sort_keys=False))
        self.environment = {**CLEAN, "PYTHONPATH": str(ROOT), "FERKIT_HOME": str(self.home)}
        self.folder = self.home / "experiments" / "toy"
        running = subprocess.Popen(
            self.command(), cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(lambda: len(self.stored()) == 2 or running.poll() is not None, seconds=900)
        running.send_signal(signal.SIGKILL)
        self.killed = running.wait()
        self.after_kill = {path: path.stat().st_mtime_ns for path in self.stored()}
        self.finished = self.run()

    def stored(self):
        return sorted((self.folder / "cells").glob("*/*.npz"))

    def command(self, *arguments):
        return forked("experiment", self.file, *arguments)

    def run(self, *arguments):
        done = subprocess.run(
            self.command(*arguments), cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return Experiment(tmp_path_factory.mktemp("experiment"))


def test_what_was_done_before_the_kill_is_not_done_again(experiment):
    assert experiment.killed == -signal.SIGKILL
    assert "run 1 of 4" in experiment.finished.stderr
    assert len(experiment.stored()) == 6
    assert {path: path.stat().st_mtime_ns for path in experiment.after_kill} == experiment.after_kill


def test_every_number_of_the_answer_is_that_of_a_direct_computation(experiment):
    loaded = load_experiment(experiment.file)
    faces = load(loaded.cells[0].configs[0].data)
    public = faces.of_split("PublicTest")
    alone = public.take(~cross_split_duplicates(faces, "PublicTest"))
    client = mlflow.MlflowClient(f"sqlite:///{experiment.home / 'mlflow.db'}")
    place = [client.get_experiment_by_name("toy").experiment_id]
    table = pd.read_csv(experiment.folder / "report" / "answer.csv").set_index("cell")
    assert list(table.index) == CELLS
    store = RunStore(experiment.folder / "cells")
    means = {}
    for cell in CELLS:
        values = []
        for seed in range(2):
            with np.load(store.folder / cell / f"seed-{seed}.npz") as stored:
                rows, named = stored["row 0"], stored["probabilities 0"].argmax(axis=1)
            right = dict(zip(rows.tolist(), named.tolist(), strict=True))
            values.append(
                np.mean([right[row] == label for row, label in zip(alone.row.tolist(), alone.label, strict=True)])
            )
            (run,) = client.search_runs(place, f"tags.`ferkit.cell` = '{cell}' and tags.`ferkit.seed` = '{seed}' and "
                                        "tags.`ferkit.member` = 'fer/ensemble'")  # fmt: skip
            assert run.data.metrics["PublicTest/no duplicates/accuracy"] == pytest.approx(values[-1])
        means[cell] = np.mean(values)
        assert table.loc[cell, "mean"] == pytest.approx(means[cell])
        assert table.loc[cell, "spread"] == pytest.approx(np.std(values, ddof=1))
    for cell in CELLS[1:]:
        assert table.loc[cell, "difference"] == pytest.approx(means[cell] - means["none+hard"])
        assert f"{cell}: {table.loc[cell, 'verdict']}." in experiment.finished.stdout.replace("\n", " ")


def test_the_table_as_it_was_published_stands_beside_ours_and_claims_are_judged(experiment):
    table = pd.read_csv(experiment.folder / "report" / "answer.csv").set_index("cell")
    of_hard, of_smooth = (table.loc[cell] for cell in CELLS[:2])
    shown = [line.split() for line in experiment.finished.stdout.splitlines()]
    ours = [f"{100 * of_hard['mean']:.2f}", f"{100 * of_hard['mean_low']:.2f}..{100 * of_hard['mean_high']:.2f}"]
    assert ["none+hard", "not", "published", *ours] in shown
    ours = [f"{100 * of_smooth['mean']:.2f}", f"{100 * of_smooth['mean_low']:.2f}..{100 * of_smooth['mean_high']:.2f}"]
    assert ["none+smooth", "51.20", *ours] in shown
    difference = f"none+smooth less none+hard is {100 * of_smooth['difference']:+.2f} points"
    assert difference in experiment.finished.stdout
    report = (experiment.folder / "report" / "report.md").read_text()
    assert "Beside the study" in report
    assert difference in report


def test_mlflow_has_one_parent_with_every_run_below_and_no_number_of_private_test(experiment):
    client = mlflow.MlflowClient(f"sqlite:///{experiment.home / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("toy").experiment_id], max_results=500)
    (parent,) = [run for run in runs if run.data.tags.get("ferkit.experiment") == "parent"]
    assert parent.info.status == "FINISHED"
    assert "none-smooth/difference" in parent.data.metrics
    assert {each.path for each in client.list_artifacts(parent.info.run_id, "report")} >= {"report/report.html"}
    below = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    finished = [run for run in below if run.info.status == "FINISHED"]
    assert sorted((run.data.tags["ferkit.cell"], run.data.tags["ferkit.seed"]) for run in finished) == sorted(
        (cell, str(seed)) for cell in CELLS for seed in range(2)
    )
    assert {run.data.tags["ferkit.factor.smoothing"] for run in finished} == {"hard", "smooth"}
    assert not [name for run in runs for name in run.data.metrics if "PrivateTest" in name]
    assert "PrivateTest" not in experiment.finished.stdout


def test_what_the_cells_share_is_done_once(experiment):
    for step in ("ingest", "validate", "drop_non_faces"):
        assert f"{step} is unchanged: cached" in experiment.finished.stderr
        assert f"{step} ..." not in experiment.finished.stderr


def test_a_plan_says_what_is_done_and_runs_nothing(experiment):
    before = {path: path.stat().st_mtime_ns for path in experiment.stored()}
    done = experiment.run("--plan")
    assert "toy: 6 runs, 6 are done, 0 to run" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in experiment.stored()} == before


def test_private_test_is_read_once_for_the_cells_that_are_named_and_the_log_says_when(experiment):
    first = experiment.run("--final", "none+smooth")
    log = experiment.folder / "final" / "read.log"
    lines = log.read_text().splitlines()
    assert [line.partition("UTC  ")[2] for line in lines] == ["none+smooth, seed 0", "none+smooth, seed 1"]
    assert "PrivateTest" in first.stdout
    assert "repeated" not in first.stdout.partition("\nPrivateTest\n")[2]
    again = experiment.run("--final", "none+smooth")
    assert log.read_text().splitlines() == lines
    assert again.stdout.partition("\nPrivateTest\n")[2] == first.stdout.partition("\nPrivateTest\n")[2]
    assert "fine_tune_fer_fernet ..." not in first.stderr, "the trainings are those of before"


def test_an_unknown_cell_is_refused_with_the_known_ones(experiment):
    done = subprocess.run(
        experiment.command("--final", "smoth"), cwd=ROOT, env=experiment.environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == f"ferkit: --final smoth: no such cell, toy has {', '.join(CELLS)}."


class Search(Experiment):
    """A search with the folder of state of an experiment."""

    def __init__(self, of):
        root, self.home, self.environment = of.home.parent, of.home, of.environment
        training = {"network": {"epochs": 2, "warmup_epochs": 0}}
        (root / "rates_base.yaml").write_text(yaml.safe_dump({**BASE, "training": training}))
        self.file, self.folder = root / "rates.yaml", self.home / "experiments" / "rates"
        self.file.write_text(yaml.safe_dump(RATES))
        self.done = self.run()


@pytest.fixture(scope="module")
def search(experiment):
    return Search(experiment)


def test_a_poor_trial_is_stopped_and_one_without_a_result_has_failed(search):
    table = pd.read_csv(search.folder / "report" / "trials.csv")
    assert table[RATE].tolist() == [0.003, 3.0, 1e30]
    assert table["state"].tolist() == ["complete", "pruned", "failed"]
    assert table["epochs"].tolist()[:2] == [2, 1]
    assert "stopped after epoch 0: val_loss" in search.done.stderr
    assert "loss" in table["note"][2]
    assert f"with {RATE} 0.003." in search.done.stdout
    assert f"ferkit run {search.file.parent / 'rates_base.yaml'} --set {RATE}=0.003" in search.done.stdout


def test_the_score_is_that_of_a_direct_computation_and_mlflow_has_a_run_a_trial(search):
    client = mlflow.MlflowClient(f"sqlite:///{search.home / 'mlflow.db'}")
    place = [client.get_experiment_by_name("rates").experiment_id]
    (parent,) = client.search_runs(place, "tags.`ferkit.experiment` = 'parent'")
    runs = client.search_runs(place, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    tags = {run.data.tags["ferkit.trial"]: run.data.tags for run in runs}
    assert {number: each["ferkit.trial.state"] for number, each in tags.items()} == {
        "0": "complete", "1": "pruned", "2": "failed"
    }  # fmt: skip
    assert tags["1"][f"ferkit.search.{RATE}"] == "3.0"
    (judged,) = client.search_runs(place, "tags.`ferkit.trial` = '0' and tags.`ferkit.member` = 'fer/ensemble'")
    table = pd.read_csv(search.folder / "report" / "trials.csv")
    assert parent.data.metrics["best_score"] == pytest.approx(table["score"][0])
    assert judged.data.metrics["PublicTest/no duplicates/log_loss"] == pytest.approx(table["score"][0], rel=1e-4)
    assert not [name for run in client.search_runs(place) for name in run.data.metrics if "PrivateTest" in name]


def test_what_is_done_is_not_done_again_and_a_plan_says_so(search):
    assert "3 trials by grid, 3 are done, 0 to run. Nothing was run." in search.run("--plan").stdout
