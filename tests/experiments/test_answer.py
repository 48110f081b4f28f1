"""The answer of an experiment from the results of its runs: every number against a direct computation."""

import numpy as np
import pandas as pd
import pytest
import yaml

from ferkit.data.duplicates import cross_split_duplicates
from ferkit.errors import DataError
from ferkit.experiments.answer import answer
from ferkit.experiments.cells import load_experiment
from ferkit.experiments.report import answer_rows, build_experiment_report
from ferkit.experiments.results import CellRun, RunResult, RunStore
from ferkit.models.predictions import Predictions
from ferkit.sources import load

BASE = {"name": "base", "data": {"source": "synthetic", "count": 1200}, "backbones": [{"name": "fernet", "width": 4}]}
FACTORS = {"balancing": {"none": {}, "repeated": {"balancing.method": "random_over_sampler"}}}
SHARES = {"none": 0.5, "repeated": 0.75}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment")
    (folder / "base.yaml").write_text(yaml.safe_dump(BASE))
    content = {"name": "toy", "base": "base.yaml", "factors": FACTORS, "seeds": 3}
    (folder / "toy.yaml").write_text(yaml.safe_dump(content))
    return load_experiment(folder / "toy.yaml")


@pytest.fixture(scope="module")
def faces(experiment):
    return load(experiment.cells[0].configs[0].data)


def result(cell, seed, faces, **record):
    public = faces.of_split("PublicTest")
    generator = np.random.default_rng(seed if cell == "none" else seed + 100)
    right = generator.random(len(public)) < SHARES[cell]
    named = np.where(right, public.label, (public.label + 1) % 7)
    probabilities = 0.3 / 7 + 0.7 * np.eye(7, dtype=np.float32)[named]
    predictions = Predictions("fer", "PublicTest", public.row, probabilities.astype(np.float32))
    scores = pd.DataFrame({"target": ["fer"], "model": ["ensemble"], "subset": ["PublicTest"], "accuracy": [1 / 3]})
    history = pd.DataFrame({"epoch": [0, 1], "val_accuracy": [0.1, SHARES[cell]]})
    given = {"key": "k", "run": f"{cell}-{seed}", "commit": "c", "seconds": 2.0, "training_seconds": 1.0 + seed}
    return RunResult(
        CellRun(**{**given, **record}), scores, {("fer", "ensemble"): predictions}, {"fer_fernet": history}
    )


@pytest.fixture(scope="module")
def results(faces):
    return {(cell, seed, None): result(cell, seed, faces) for cell in SHARES for seed in range(3)}


def test_every_number_is_that_of_a_direct_computation(experiment, results, faces):
    found = answer(experiment, results, faces)
    public = faces.of_split("PublicTest")
    kept = ~cross_split_duplicates(faces, "PublicTest")
    assert found.pictures == kept.sum()
    means = {}
    for cell in SHARES:
        values = [
            (results[cell, seed, None].predictions["fer", "ensemble"].label == public.label)[kept].mean()
            for seed in range(3)
        ]
        np.testing.assert_allclose(found.comparisons[cell].values, values)
        assert found.comparisons[cell].spread == pytest.approx(np.std(values, ddof=1))
        means[cell] = np.mean(values)
    assert found.comparisons["repeated"].difference == pytest.approx(means["repeated"] - means["none"])
    assert found.training_seconds == {"none": 2.0, "repeated": 2.0}
    assert found.verdict("none") == "the baseline"
    assert found.verdict("repeated").startswith(f"better by {100 * (means['repeated'] - means['none']):.1f} points")


def test_a_difference_that_is_not_there_is_not_found_and_what_it_would_take_is_said(experiment, results, faces):
    same = {
        key: results["none", (key[1] + 1) % 3, None] if key[0] == "repeated" else each for key, each in results.items()
    }
    found = answer(experiment, same, faces)
    assert found.comparisons["repeated"].difference == pytest.approx(0)
    assert found.verdict("repeated").startswith("no difference can be shown with 3 seeds")
    assert "points" in found.verdict("repeated")


def test_a_cell_that_was_not_asked_about_a_picture_is_refused(experiment, results, faces):
    each = results["none", 1, None].predictions["fer", "ensemble"]
    short = Predictions("fer", "PublicTest", each.row[5:], each.probabilities[5:])
    changed = RunResult(
        results["none", 1, None].record, results["none", 1, None].scores, {("fer", "ensemble"): short}, {}
    )
    with pytest.raises(DataError, match="cell none: predictions of PublicTest"):
        answer(experiment, {**results, ("none", 1, None): changed}, faces)


def test_a_result_that_is_kept_is_what_was_found(results, tmp_path):
    store = RunStore(tmp_path)
    assert store.read("none", 1, "k") is None
    store.write("none", 1, results["none", 1, None])
    again = store.read("none", 1, "k")
    assert again.record == results["none", 1, None].record
    pd.testing.assert_frame_equal(again.scores, results["none", 1, None].scores)
    pd.testing.assert_frame_equal(again.histories["fer_fernet"], results["none", 1, None].histories["fer_fernet"])
    kept, made = (each.predictions["fer", "ensemble"] for each in (again, results["none", 1, None]))
    np.testing.assert_array_equal(kept.probabilities, made.probabilities)
    np.testing.assert_array_equal(kept.row, made.row)
    assert store.read("none", 1, "another key") is None
    file = tmp_path / "none" / "seed-1.npz"
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(DataError, match=r"seed-1\.npz: damaged .*delete it, and the cell is run again"):
        store.read("none", 1, "k")


def test_the_report_holds_the_answer_in_words_and_warns_of_several_versions(experiment, results, faces, tmp_path):
    found = answer(experiment, results, faces)
    folder = build_experiment_report(found, results).write(tmp_path)
    text = (folder / "report.md").read_text()
    assert found.verdict("repeated") in text
    assert "versions of the code" not in text
    table = pd.read_csv(folder / "answer.csv").set_index("cell")
    assert table.loc["repeated", "difference"] == pytest.approx(found.comparisons["repeated"].difference)
    assert {path.name for path in (folder / "figures").iterdir()} == {"cells.png", "cost.png", "curves-fer_fernet.png"}
    header, rows = answer_rows(found)
    assert len(header) == len(rows[0])
    mixed = {**results, ("none", 0, None): result("none", 0, faces, commit="d")}
    text = (build_experiment_report(found, mixed).write(tmp_path / "mixed") / "report.md").read_text()
    assert "The runs were made by 2 versions of the code" in text
