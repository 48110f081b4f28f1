"""`ferkit experiment` with a search, through real ZenML and MLflow stores: a good, a poor, an impossible rate."""

import subprocess

import mlflow
import pandas as pd
import pytest
import yaml

from tests.toys.command import forked
from tests.toys.services import CLEAN
from tests.toys.state import prepared_home

RATE = "training.network.learning_rate"
BASE = {
    "name": "tiny",
    "data": {"source": "synthetic", "count": 300},
    "validation": {"minimum_class": 1},
    "targets": [{"name": "fer"}],
    "backbones": [{"name": "fernet", "width": 4, "depth": 1, "input_size": 24}],
    "training": {"network": {"epochs": 2, "warmup_epochs": 0}},
    "evaluation": {"bootstrap": 100},
}
# The grid's order with this seed is that of the list.
FILE = {
    "name": "rates",
    "base": "base.yaml",
    "search": {
        "sampler": "grid", "seed": 5, "ranges": {RATE: [0.003, 3.0, 1e30]},
        "pruner": {"startup_trials": 1, "warmup_epochs": 0},
    },
    "measure": {"metric": "log_loss"},
}  # fmt: skip


class Search:
    def __init__(self, root):
        (root / "base.yaml").write_text(yaml.safe_dump(BASE))
        self.file, self.home = root / "rates.yaml", prepared_home(root / "home")
        self.file.write_text(yaml.safe_dump(FILE))
        self.folder = self.home / "experiments" / "rates"
        self.done = self.run()

    def run(self, *arguments):
        done = subprocess.run(
            forked("experiment", self.file, *arguments), env={**CLEAN, "FERKIT_HOME": str(self.home)},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=500,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    return Search(tmp_path_factory.mktemp("search"))


def test_a_poor_trial_is_stopped_and_one_without_a_result_has_failed(search):
    table = pd.read_csv(search.folder / "report" / "trials.csv")
    assert table[RATE].tolist() == [0.003, 3.0, 1e30]
    assert table["state"].tolist() == ["complete", "pruned", "failed"]
    assert table["epochs"].tolist()[:2] == [2, 1]
    assert "stopped after epoch 0: val_loss" in search.done.stderr
    assert "loss" in table["note"][2]
    assert f"with {RATE} 0.003." in search.done.stdout
    assert f"ferkit run {search.file.parent / 'base.yaml'} --set {RATE}=0.003" in search.done.stdout


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
