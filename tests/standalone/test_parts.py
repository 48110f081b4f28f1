"""Parts of a standalone run, its repetitions, and what cannot be run."""

import numpy as np
import pandas as pd
import pytest
import yaml

from ferkit.config.loading import load_config
from ferkit.standalone.__main__ import main
from ferkit.standalone.folder import RunFolder


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Configuration of two networks of one target."""
    path = tmp_path_factory.mktemp("small") / "small.yaml"
    networks = [{"name": "fernet", "alias": alias, "width": 4, "depth": 1} for alias in ("a", "b")]
    content = {
        "name": "tiny",
        "data": {"source": "synthetic", "count": 240},
        "validation": {"minimum_class": 1},
        "balancing": {"method": "random_over_sampler"},
        "backbones": networks,
        "training": {"network": {"epochs": 1}},
        "evaluation": {"bootstrap": 100},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def test_parts_of_a_run_come_together_and_private_test_is_read_when_asked_for(small, tmp_path, capsys):
    out = tmp_path / "out"
    # As another process leaves it that trains `a` into the same folder, and has not yet kept what it finished.
    elsewhere = out / "checkpoints" / "fer-a" / "0123456789ab" / "network.keras"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.touch()
    assert main([str(small), "--out", str(out), "--only", "b"]) == 0
    assert elsewhere.exists()
    assert not (out / "checkpoints" / "fer-b").exists()
    printed = capsys.readouterr()
    assert "still to be trained before anything is combined and judged: fer-a" in printed.err
    assert str(out / "trainings") in printed.out
    assert sorted(path.name for path in (out / "trainings").iterdir()) == ["fer-b"]
    assert not (out / "evaluations").exists()
    assert not RunFolder(out).read_record().complete

    assert main([str(small), "--out", str(out), "--no-test"]) == 0
    assert "fer-b is trained already" in capsys.readouterr().err
    assert not list(out.rglob("test-*.npz"))
    assert set(RunFolder(out).read_evaluations("fer")["subset"]) == {"PublicTest", "PublicTest, no duplicates"}

    before = {path: path.stat().st_mtime_ns for path in (out / "trainings").rglob("network.keras")}
    assert main([str(small), "--out", str(out)]) == 0
    assert "PrivateTest" in capsys.readouterr().out
    assert RunFolder(out).read_record().complete
    files = RunFolder(out).member("fer-b")
    written = (files.path / "test-fer.npz").stat().st_mtime_ns
    assert main([str(small), "--out", str(out)]) == 0
    assert (files.path / "test-fer.npz").stat().st_mtime_ns == written, "PrivateTest is predicted once"

    files.network.write_bytes(files.network.read_bytes()[:1000])
    assert main([str(small), "--out", str(out), "--set", "prediction.flip=true"]) == 0
    err = capsys.readouterr().err
    assert "fer-a is trained already, and predicts anew: other views" in err
    assert "b network epoch 1/1: loss" in err, "a damaged network is trained again"
    assert "a network epoch" not in err
    assert (files.path / "test-fer.npz").stat().st_mtime_ns > written
    after = {path: path.stat().st_mtime_ns for path in (out / "trainings").rglob("network.keras")}
    assert [path.parent.name for path in before if after[path] != before[path]] == ["fer-b"]


def test_seeds_are_runs_of_their_own_and_one_table(small, tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        main(
            [
                str(small),
                "--out",
                str(out),
                "--seeds",
                "0,3",
                "--no-test",
                "--set",
                "backbones=[{name: fernet, width: 4, depth: 1}]",
            ]
        )
        == 0
    )
    # Beside all of PublicTest there is what of it no other split has.
    spread = pd.read_csv(out / "seeds.csv").query("subset == 'PublicTest'").set_index("model")
    accuracies = []
    for seed in (0, 3):
        folder = RunFolder(out / f"seed-{seed}")
        assert folder.read_record().seed == load_config(folder.config).seed == seed
        table = folder.read_evaluations("fer").query("subset == 'PublicTest'").set_index("model")
        accuracies.append(table.loc["fernet", "accuracy"])
    assert spread.loc["fernet", "accuracy_mean"] == pytest.approx(np.mean(accuracies))
    assert spread.loc["fernet", "accuracy_std"] == pytest.approx(np.std(accuracies, ddof=1))
    networks = [RunFolder(out / f"seed-{seed}").member("fer-fernet").read_record().key for seed in (0, 3)]
    assert networks[0] != networks[1]
    assert "accuracy over the seeds" in capsys.readouterr().out


def test_folds_are_runs_that_each_test_on_pictures_of_their_own(small, tmp_path, capsys):
    out = tmp_path / "out"
    changes = (
        "backbones=[{name: fernet, width: 4, depth: 1}]", "registry={register: false}",
        "data.split={folds: 2, by: picture}",
    )  # fmt: skip
    assert main([str(small), "--out", str(out), *(word for each in changes for word in ("--set", each))]) == 0
    spread = pd.read_csv(out / "folds.csv").query("subset == 'PrivateTest'").set_index("model")
    tables, tested = [], []
    for fold in range(2):
        folder = RunFolder(out / f"fold-{fold}")
        assert folder.read_record().complete
        config = load_config(folder.config)
        assert (config.name, config.data.split.fold) == (f"tiny-fold-{fold}", fold)
        tables.append(folder.read_evaluations("fer").query("subset == 'PrivateTest'").set_index("model"))
        tested.append(set(folder.member("fer-fernet").read_predictions("fer", "PrivateTest").row.tolist()))
    assert not tested[0] & tested[1]
    accuracies = [table.loc["ensemble", "accuracy"] for table in tables]
    assert spread.loc["ensemble", "folds"] == 2
    assert spread.loc["ensemble", "accuracy_mean"] == pytest.approx(np.mean(accuracies))
    assert spread.loc["ensemble", "accuracy_std"] == pytest.approx(np.std(accuracies, ddof=1))
    assert "accuracy over the folds" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "c"], "--only c: no such backbone, expected some of a b."),
        (["--set", "data.cuont=3"], "data.synthetic.cuont: unknown key; did you mean count?"),
    ],
)
def test_a_mistake_is_a_line_and_status_1(small, tmp_path, capsys, arguments, message):
    assert main([str(small), "--out", str(tmp_path), *arguments]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ferkit: ")]
    assert len(lines) == 1
    assert message in lines[0]


def test_a_folder_that_cannot_be_written_is_told(small, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([str(small), "--out", str(tmp_path / "file" / "out")]) == 1
    assert f"ferkit: {tmp_path / 'file' / 'out'}: Not a directory" in capsys.readouterr().err
