"""The wheel: ferkit and nothing beside it, which reads a picture where no checkout is."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy of the sources, as setuptools leaves a folder `build` beside them."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "ferkit", source / "ferkit", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """`ferkit` in a folder of its own, with the dependencies that the tests run with."""
    target = tmp_path_factory.mktemp("installed")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(command, check=True)

    def ferkit(*arguments, cwd):
        places = os.pathsep.join([str(cwd), str(target)])
        environment = {**os.environ, "PYTHONPATH": places, "FERKIT_HOME": str(cwd / "state")}
        return subprocess.run(
            [sys.executable, str(target / "bin" / "ferkit"), *map(str, arguments)],
            cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip

    return ferkit


def test_the_wheel_holds_ferkit_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"ferkit"}
    modules = {name for name in names if name.endswith(".py")}
    sources = (ROOT / "ferkit").rglob("*.py")
    assert modules == {file.relative_to(ROOT).as_posix() for file in sources}
    tracked = subprocess.run(
        ["git", "ls-files", "ferkit"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {name for name in tracked if not name.endswith(".py")} <= set(names)


def test_an_installed_ferkit_reads_a_picture_without_keras_and_tensorflow(installed, tmp_path):
    for name in ("keras", "tensorflow"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not installed')\n")
    shutil.copy(ROOT / "docs" / "images" / "faces.png", tmp_path / "faces.png")
    read = installed("predict", "faces.png", "--json", cwd=tmp_path)
    assert read.returncode == 0, read.stderr
    (picture,) = json.loads(read.stdout)
    assert picture["file"] == "faces.png"
    assert picture["faces"]


@pytest.mark.parametrize("command", [("run", "run.yaml"), ("import-run", "folder"), ("stack", "list")])
def test_commands_that_run_the_pipeline_say_that_they_need_a_checkout(installed, tmp_path, command):
    shutil.copy(ROOT / "configs" / "quickstart.yaml", tmp_path / "run.yaml")
    (tmp_path / "folder").mkdir()
    refused = installed(*command, cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "ferkit: the pipeline is no part of an installed ferkit: type this command in a checkout."
    ]
    assert not (tmp_path / "state").exists()
