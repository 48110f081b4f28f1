"""An experiment on data that is dealt into folds: its runs, its refusals, and its numbers by direct computation."""

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import f1_score

from ferkit.cli.experiments.cell_runs import planned_runs
from ferkit.cli.experiments.page import print_plan
from ferkit.config.repetitions import repetitions
from ferkit.errors import ConfigError, DataError
from ferkit.experiments.answer import answer
from ferkit.experiments.cells import load_experiment
from ferkit.experiments.report import answer_rows, build_experiment_report
from ferkit.experiments.results import CellRun, RunResult, RunStore, deciding_split
from ferkit.file_hashes import file_sha256
from ferkit.models.predictions import Predictions
from ferkit.sources import load

FOLDS = 3
BASE = {
    "name": "base",
    "data": {"source": "synthetic", "count": 300, "split": {"folds": FOLDS, "by": "picture"}},
    "backbones": [{"name": "fernet", "width": 4}],
    "registry": {"register": False},
}
FACTORS = {"balancing": {"none": {}, "repeated": {"balancing.method": "random_over_sampler"}}}
SHARES = {"none": 0.5, "repeated": 0.65}
SEEDS = (0, 1)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Writes an experiment's file with changes, and reads it."""

    def read(base=None, **change):
        folder = tmp_path_factory.mktemp("experiment")
        (folder / "base.yaml").write_text(yaml.safe_dump({**BASE, **(base or {})}))
        content = {"name": "toy", "base": "base.yaml", "factors": FACTORS, "seeds": list(SEEDS), **change}
        (folder / "toy.yaml").write_text(yaml.safe_dump(content))
        return load_experiment(folder / "toy.yaml")

    return read


def result(cell, seed, fold, tested):
    """Of a run that was asked about the pictures of one fold, and is right about the cell's share of them."""
    generator = np.random.default_rng((list(SHARES).index(cell), seed, fold))
    right = generator.random(len(tested)) < SHARES[cell]
    named = np.where(right, tested.label, (tested.label + 1) % 7)
    probabilities = (0.3 / 7 + 0.7 * np.eye(7)[named]).astype(np.float32)
    predictions = Predictions("fer", "PrivateTest", tested.row, probabilities)
    record = CellRun(key="k", run=f"{cell}-{seed}-{fold}", commit="c", seconds=2, training_seconds=1 + fold)
    history = pd.DataFrame({"epoch": [0, 1], "val_accuracy": [0.1, 0.3]})
    return RunResult(record, pd.DataFrame(), {("fer", "ensemble"): predictions}, {"fer_fernet": history})


@pytest.fixture(scope="module")
def experiment(written):
    return written(measure={"metric": "macro_f1", "bootstrap": 400})


@pytest.fixture(scope="module")
def dealt(experiment):
    """The data in the splits of each fold."""
    return [load(each.config.data) for each in repetitions(experiment.cells[0].configs[0])]


@pytest.fixture(scope="module")
def tested(dealt):
    """The pictures that each fold keeps for the test."""
    return [each.of_split("PrivateTest") for each in dealt]


@pytest.fixture(scope="module")
def results(tested):
    return {
        (cell, seed, fold): result(cell, seed, fold, pictures)
        for cell in SHARES
        for seed in SEEDS
        for fold, pictures in enumerate(tested)
    }


def test_every_fold_is_a_run_and_the_plan_counts_them(experiment, tmp_path, capsys):
    assert experiment.folds == (0, 1, 2)
    planned = planned_runs(experiment, RunStore(tmp_path / "store"), file_sha256)
    assert [each.label for each in planned][:4] == [f"none, seed {at // 3}, fold {at % 3}" for at in range(4)]
    assert len({each.key for each in planned}) == len(planned) == 12
    assert {(each.config.data.folds.fold, each.config.seed) for each in planned} == {
        (fold, seed) for fold in range(FOLDS) for seed in SEEDS
    }
    assert {deciding_split(each.config) for each in planned} == {"PrivateTest"}
    print_plan(experiment, planned, 1)
    shown = capsys.readouterr().out
    assert "toy: 12 runs (2 cells x 2 seeds x 3 folds), 0 are done, 12 to run" in shown.replace("\n", " ")
    assert ["none", "1", "0", "6"] in [line.split() for line in shown.splitlines()]


def test_every_picture_is_judged_once_and_every_number_is_that_of_a_direct_computation(
    experiment, dealt, tested, results
):
    faces = dealt[1]
    found = answer(experiment, results, faces)
    assert (found.pictures, found.folds) == (len(faces), FOLDS)
    assert sorted(np.concatenate([each.row for each in tested]).tolist()) == sorted(faces.row.tolist())
    label = np.concatenate([each.label for each in tested])
    pooled, units = {}, {}
    for cell in SHARES:
        given = [
            [results[cell, seed, fold].predictions["fer", "ensemble"].label for fold in range(FOLDS)] for seed in SEEDS
        ]
        pooled[cell] = [f1_score(label, np.concatenate(each), average="macro", labels=range(7)) for each in given]
        units[cell] = [
            f1_score(tested[fold].label, given[seed][fold], average="macro", labels=np.unique(tested[fold].label))
            for seed in SEEDS
            for fold in range(FOLDS)
        ]
        of_cell = found.comparisons[cell]
        np.testing.assert_allclose(of_cell.values, pooled[cell])
        np.testing.assert_allclose(of_cell.units, units[cell])
        assert of_cell.mean == pytest.approx(np.mean(pooled[cell]))
        assert of_cell.spread == pytest.approx(np.std(units[cell], ddof=1))
    other = found.comparisons["repeated"]
    assert other.difference == pytest.approx(np.mean(pooled["repeated"]) - np.mean(pooled["none"]))
    assert other.units_better == np.sum(np.array(units["repeated"]) > np.array(units["none"]))
    assert found.training_seconds == {"none": 2.0, "repeated": 2.0}


def test_the_table_and_the_report_say_that_there_are_folds(experiment, dealt, results, tmp_path):
    faces = dealt[0]
    found = answer(experiment, results, faces)
    header, rows = answer_rows(found)
    assert all(len(row) == len(header) for row in rows)
    other = dict(zip(header, rows[1], strict=True))
    assert other["runs"] == "2 x 3"
    assert other["better in"] == f"{found.comparisons['repeated'].units_better} of 6"
    folder = build_experiment_report(found, results).write(tmp_path / "report")
    text = (folder / "report.md").read_text()
    assert f"macro_f1 of fer/ensemble on every picture in one of 3 folds, {len(faces)} pictures" in text
    assert "Every picture is judged once" in text
    assert "PrivateTest was not read" not in text
    assert pd.read_csv(folder / "answer.csv")["folds"].tolist() == [3, 3]


def test_a_result_of_a_fold_is_kept_beside_those_of_the_others(results, tmp_path):
    store = RunStore(tmp_path)
    for fold in range(FOLDS):
        store.write("none", 1, results["none", 1, fold], fold)
    assert store.read("none", 1, "k") is None
    kept = store.read("none", 1, "k", 2)
    assert kept.record.run == "none-1-2"
    assert kept.predictions["fer", "ensemble"].split == "PrivateTest"


def test_a_picture_that_no_fold_judged_is_told(experiment, dealt, results):
    faces = dealt[0]
    short = {key: result(*key, faces.of_split("PrivateTest").take(np.arange(5))) for key in results if key[2] == 0}
    with pytest.raises(DataError, match=r"\d+ pictures with a label are in no fold, such as row \d+\."):
        answer(experiment, {**results, **short}, faces)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"factors": {"split": {"three": {}, "five": {"data.split.folds": 5}}}},
            "cells five and three differ in data.split: cells are compared on the same pictures, so that no factor may",
        ),
        (
            {"base": {"data": {"source": "synthetic"}}, "factors": {"seed": {"one": {}, "two": {"data.seed": 2}}}},
            "cells one and two differ in data.seed: cells are compared on the same pictures",
        ),
        (
            {"measure": {"subset": "PublicTest"}},
            "measure.subset has no effect: each picture is judged in the one of the 3 folds that tests it; leave it",
        ),
    ],
)
def test_what_makes_no_sense_with_folds_is_refused_in_a_line(written, change, message):
    with pytest.raises(ConfigError) as raised:
        written(**change)
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_one_chosen_fold_is_an_experiment_like_others(written):
    made = written(base={"data": {**BASE["data"], "split": {**BASE["data"]["split"], "fold": 1}}})
    assert made.folds == (None,)
    assert deciding_split(made.cells[0].configs[0]) == "PublicTest"
