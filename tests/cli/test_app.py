"""Commands that need no pipeline, as real processes."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ferkit.cli.app import app
from ferkit.cli.next_steps import next_steps
from ferkit.config.loading import load_config
from tests.toys.command import forked
from tests.toys.state import prepared_home

ROOT = Path(__file__).parents[2]


def ferkit(*arguments, cwd=ROOT, **environment):
    return subprocess.run(
        forked(*arguments), cwd=cwd, capture_output=True, text=True, check=False, timeout=120,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        *(
            "run",
            "experiment",
            "import-run",
            "predict",
            "drift",
            "evaluate",
            "export-reference",
            "data",
            "backbones",
            "report",
        ),
        *("ui", "dashboard", "serve", "teach", "promote", "rollback", "models", "export", "stack"),
    ],
)
def test_every_command_has_help_with_an_example(name):
    done = ferkit(name, "--help")
    assert done.returncode == 0
    assert f"ferkit {name}" in done.stdout.replace("│", "") or name in ("data", "evaluate", "stack")


LOADED = """
import sys
from ferkit.cli.app import main
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("nonsense",)])
def test_commands_are_imported_when_they_are_called(arguments):
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
        stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    loaded = set(done.stderr.splitlines()[-1].split())
    assert "typer" in loaded, done.stderr
    assert not loaded & {"numpy", "pandas", "sklearn", "zenml", "mlflow", "keras", "tensorflow", "cv2"}


def test_the_help_says_of_each_command_what_its_own_help_says():
    from ferkit.cli.app import app

    group = typer.main.get_command(app)
    for name, source in group.sources.items():
        _, command, _ = group.resolve_command(None, [name])
        assert " ".join(command.help.split("\n\n")[0].split()) == source.summary, name


def test_an_empty_name_of_the_real_data_is_none():
    program = "import conftest, os; print(os.environ.get('FERKIT_TEST_DATA')); conftest.pytest_unconfigure()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "tests", capture_output=True, text=True, check=False, timeout=120,
        stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT), "FERKIT_TEST_DATA": ""},
    )  # fmt: skip
    assert done.stdout == "None\n", done.stderr


def test_the_version_is_that_of_the_package():
    done = ferkit("--version")
    assert (done.returncode, done.stdout) == (0, f"ferkit {version('ferkit')}\n")


def test_a_shell_is_told_the_commands_and_options():
    for words, expected in (("ferkit pro", {"promote"}), ("ferkit promote --dry", {"--dry-run"})):
        completing = {"_FERKIT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ferkit"))], capture_output=True, text=True, check=False, timeout=120,
            stdin=subprocess.DEVNULL, env={**os.environ, **completing},
        )  # fmt: skip
        assert set(done.stdout.split()) == expected, done.stderr


def test_a_misspelt_command_is_told_in_a_line_with_what_it_could_be():
    done = ferkit("promot")
    assert done.returncode == 2
    assert "Did you mean 'promote'" in done.stderr


def test_run_without_a_configuration_is_told_what_it_lacks():
    done = ferkit("run")
    assert done.returncode == 2
    assert "Missing argument 'config'" in done.stderr


def test_no_command_shows_the_help():
    done = ferkit()
    assert "Train, judge, keep and serve" in done.stdout


def test_backbones_lists_every_backbone_with_its_licence():
    from ferkit.backbones import names

    done = ferkit("backbones")
    assert done.returncode == 0, done.stderr
    for name in names():
        assert f"\n{name}  " in "\n" + done.stdout
    assert done.stdout.count("licence") >= len(names())
    assert [card["name"] for card in json.loads(ferkit("backbones", "--json").stdout)] == names()


def test_run_check_runs_nothing(tmp_path):
    done = ferkit(
        "run",
        "configs/quickstart.yaml",
        "--set",
        "data.count=300",
        "--set",
        "validation.minimum_class=1",
        "--set",
        "validation.minimum_training=1",
        "--check",
        FERKIT_HOME=str(prepared_home(tmp_path / "home")),
    )
    assert done.returncode == 0, done.stderr
    assert "a valid configuration" in done.stdout


@pytest.mark.parametrize(
    ("config", "changes", "uri", "expected"),
    [
        (
            "quickstart", [], "sqlite:///m.db",
            ["ferkit ui", "ferkit promote --dry-run", "ferkit run configs/fer2013.yaml"],
        ),
        ("fer2013", ["registry.promote=true"], "https://mlflow.example", ["https://mlflow.example", "ferkit models"]),
        ("fer2013", ["registry.register=false"], "sqlite:///m.db", ["ferkit ui"]),
    ],
)  # fmt: skip
def test_what_is_said_to_be_next_fits_what_was_run(config, changes, uri, expected):
    lines = next_steps(load_config(ROOT / "configs" / f"{config}.yaml", changes), uri)
    assert [line[8:].split("  ")[0] for line in lines] == expected
    assert [line[:8].strip() for line in lines] == ["next", *[""] * (len(lines) - 1)]


def test_data_describe_counts_and_draws(tmp_path):
    done = ferkit(
        "data", "describe", "configs/quickstart.yaml", "--set", "data.count=300", "--sheet", str(tmp_path / "s.png")
    )
    assert done.returncode == 0, done.stderr
    assert "300 pictures, FER+ votes: yes" in done.stdout
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_ui_serves_mlflow_and_says_where(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = prepared_home(tmp_path / "home")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "FERKIT_HOME": str(home)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    server = subprocess.Popen(
        forked("ui", "--port", port), cwd=ROOT, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert f"http://127.0.0.1:{port}" in server.stdout.readline()
        answer = wait_for(f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search?max_results=5", server)
        assert json.loads(answer)["experiments"]
        taken = ferkit("ui", "--port", str(port), FERKIT_HOME=str(home), MLFLOW_TRACKING_URI="")
        assert taken.returncode == 1
        assert f"port {port} of 127.0.0.1 cannot be used" in taken.stderr
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=120)


def wait_for(url, server, seconds=90):
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read()
        except OSError:
            if time.monotonic() > deadline or server.poll() is not None:
                raise
            time.sleep(0.3)


AWAY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "arguments",
    [
        ("models",),
        ("promote", "--dry-run"),
        ("rollback",),
        ("predict", "face.png", "--model", "models:/ferkit@champion"),
        ("export", "models:/ferkit/1"),
    ],
)
def test_a_registry_that_is_away_is_told_at_once(monkeypatch, tmp_path, arguments):
    (tmp_path / "face.png").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", AWAY)
    monkeypatch.setattr("ferkit.cli.console.quiet_native_libraries", lambda _log: None)
    done = CliRunner().invoke(app, arguments)
    assert str(done.exception) == (
        f"MLflow's server {AWAY} does not answer (Connection refused): is it running, and is the address right?"
    )


def test_a_zenml_server_that_is_away_is_told_at_once():
    done = ferkit("report", ZENML_STORE_URL=AWAY)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"ferkit: ZenML's server {AWAY} does not answer (Connection refused): is it running")
