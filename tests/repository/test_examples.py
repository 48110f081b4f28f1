"""Every script of examples/ does what it says, at toy sizes and in one process, so that TensorFlow is imported once."""

import re
import runpy
import sys
from pathlib import Path

import pytest

import ferkit.backbones.registry as backbones

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SMALL = ("--count", "200", "--epochs", "1")


@pytest.fixture
def example(tmp_path, monkeypatch, capsys):
    """Runs a script as its command line does, in an empty folder; gives what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_every_example_is_short_tested_and_in_the_list():
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == set(re.findall(r"^\| \[(\w+\.py)\]", (EXAMPLES / "README.md").read_text(), re.MULTILINE))
    # The one that asks the service is run where there is one.
    tests = Path(__file__).read_text() + (ROOT / "tests/serving/api/test_answers.py").read_text()
    assert names == set(re.findall(r'example\("(\w+\.py)"', tests))
    assert all(len((EXAMPLES / name).read_text().splitlines()) < 60 for name in names)


def test_train_on_a_folder(example, tmp_path):
    told = example("train_on_a_folder.py", *SMALL, "--width", "4", "--depth", "1")
    assert "PrivateTest, no duplicates" in told
    assert len(list(tmp_path.glob("pictures/train/*/*.png"))) == 160
    assert (tmp_path / "runs" / "folder" / "run.json").exists()


def test_compare_two_settings(example):
    told = example("compare_two_settings.py", *SMALL, "--width", "4", "--depth", "1")
    assert re.search(r"changes by [+-]0\.\d{4} on 20 pictures", told)
    assert re.search(r"McNemar's p [01]\.\d{3}", told)


def test_add_a_backbone(example, monkeypatch):
    monkeypatch.setattr(backbones, "_REGISTRY", dict(backbones._REGISTRY))
    told = example("add_a_backbone.py", *SMALL)
    assert "tinynet" in told
    assert "PrivateTest" in told


def test_read_a_video(example):
    told = example("read_a_video.py", "--frames", "20")
    assert [line.split(" s ")[0].strip() for line in told.splitlines()] == ["0.0", "1.0"]
    assert re.search(r"happy 0\.\d\d at \(\d+, \d+\)", told)
