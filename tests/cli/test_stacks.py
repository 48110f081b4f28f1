"""Stack files: checked before anything is registered, registered once, brought up to date; runs find them by name."""

import json
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ferkit.cli.app import app
from ferkit.cli.stack_choice import STACK_FILES, activate, stack_file
from ferkit.cli.state.workspace import Workspace
from ferkit.config.loading import load_settings
from ferkit.errors import ConfigError
from ferkit.stacks.settings import StackSettings
from tests.toys.state import prepare_own_home

FLAVOR = """
    from zenml.orchestrators import BaseOrchestratorConfig, BaseOrchestratorFlavor
    from zenml.orchestrators.local.local_orchestrator import LocalOrchestrator

    class CalmConfig(BaseOrchestratorConfig):
        patience: int = 3

    class CalmFlavor(BaseOrchestratorFlavor):
        name = "calm"
        config_class = CalmConfig
        implementation_class = LocalOrchestrator
"""


def stack(**changes):
    return StackSettings.model_validate({"name": "one", "orchestrator": {"flavor": "local"}, **changes})


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A workspace that shares the ZenML store of the tests; its stack is the active one again afterwards."""
    prepare_own_home()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    yield Workspace.open()
    monkeypatch.undo()
    Workspace.open().activate_stack()


def whats(changes):
    return [(change.kind, change.what) for change in changes]


@pytest.mark.parametrize("path", sorted(STACK_FILES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_file_is_valid_and_called_as_its_stack(path):
    assert load_settings(path, StackSettings).name == path.stem


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"orchestrater": {}}, "orchestrater: unknown key; did you mean orchestrator?"),
        ({"orchestrator": {"flavour": "local"}}, "orchestrator.flavour: unknown key; did you mean flavor?"),
        ({"accelerator": {"resources": "x"}}, "accelerator.resources: unknown key; did you mean resource?"),
        ({"accelerator": {"tolerations": [{"operator": "Is"}]}}, "accelerator.tolerations.0.operator: Input should be"),
        ({"environment": {"A": 1}}, "environment.A: Input should be a valid string, found 1."),
        ({"name": None}, "name: Input should be a valid string"),
    ],
)
def test_a_wrong_file_is_told_in_a_line(tmp_path, content, line):
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump({"name": "one", "orchestrator": {"flavor": "local"}, **content}))
    with pytest.raises(ConfigError, match=line.replace("?", r"\?")) as raised:
        load_settings(file, StackSettings)
    assert str(raised.value).startswith(f"{file}: ")


def test_a_second_apply_changes_nothing_and_a_changed_file_updates(workspace, tmp_path):
    from zenml.client import Client

    store = {"flavor": "local", "configuration": {"path": str(tmp_path / "a")}}
    first = stack(name="twice", artifact_store=store, environment={"A": "1", "B": "2"})
    assert whats(workspace.apply(first)) == [
        (kind, "registered") for kind in ("orchestrator", "artifact_store", "stack")
    ]
    assert {what for _, what in whats(workspace.apply(first))} == {"unchanged"}
    before = Client().get_stack("twice")

    moved = {"flavor": "local", "configuration": {"path": str(tmp_path / "b")}}
    second = stack(name="twice", artifact_store=moved, environment={"A": "1", "C": "3"})
    assert whats(workspace.apply(second)) == [
        ("orchestrator", "unchanged"),
        ("artifact_store", "updated"),
        ("stack", "updated"),
    ]
    after = Client().get_stack("twice", hydrate=True)
    assert after.id == before.id
    parts = {kind.value: found[0] for kind, found in after.components.items()}
    assert parts["artifact_store"].configuration == {"path": str(tmp_path / "b")}
    assert after.environment == {"A": "1", "C": "3"}
    assert parts["experiment_tracker"].name == "ferkit", "what the file leaves out is the workspace's"
    assert {what for _, what in whats(workspace.apply(second))} == {"unchanged"}


def test_what_a_file_no_longer_names_leaves_the_stack(workspace):
    from zenml.client import Client

    named = {"image_builder": {"flavor": "local"}}
    workspace.apply(stack(name="less", **named))
    assert "image_builder" in {kind.value for kind in Client().get_stack("less").components}
    workspace.apply(stack(name="less"))
    assert "image_builder" not in {kind.value for kind in Client().get_stack("less").components}
    assert {what for _, what in whats(workspace.apply(stack(name="less")))} == {"unchanged"}


def test_a_flavor_that_zenml_does_not_have_is_registered_from_its_source(workspace, tmp_path, monkeypatch):
    from zenml.client import Client

    (tmp_path / "calm_flavor.py").write_text(textwrap.dedent(FLAVOR))
    monkeypatch.syspath_prepend(str(tmp_path))
    orchestrator = {"flavor": "calm", "configuration": {"patience": 5}}
    with pytest.raises(ConfigError, match=r"orchestrator.flavor: no calm; known: .*kubernetes.*local"):
        workspace.apply(stack(name="calm", orchestrator=orchestrator))
    orchestrator["flavor_source"] = "calm_flavor.CalmFlavor"
    assert whats(workspace.apply(stack(name="calm", orchestrator=orchestrator))) == [
        ("orchestrator", "registered"), ("stack", "registered"),
    ]  # fmt: skip
    assert {what for _, what in whats(workspace.apply(stack(name="calm", orchestrator=orchestrator)))} == {"unchanged"}
    assert Client().get_stack_component("orchestrator", "calm").configuration == {"patience": 5}
    # Another flavor is another component: the first one's runs keep theirs.
    assert whats(workspace.apply(stack(name="calm"))) == [("orchestrator", "registered"), ("stack", "updated")]
    assert Client().get_stack("calm").components["orchestrator"][0].name == "calm-local"
    sys.modules.pop("calm_flavor", None)


@pytest.mark.parametrize(
    ("orchestrator", "line"),
    [
        ({"flavor": "local", "configuration": {"a": 1}}, "stack bad: orchestrator.configuration.a: unknown key"),
        (
            {"flavor": "kubernetes", "configuration": {"kubernetes_contxt": "x"}},
            "kubernetes_contxt: unknown key; did you mean kubernetes_context",
        ),
        ({"flavor": "kubernetes", "configuration": {"incluster": "perhaps"}}, r"configuration\.incluster: .* boolean"),
        (
            {"flavor": "locale", "flavor_source": "nowhere.Flavor"},
            "flavor_source nowhere.Flavor: .*No module named 'nowhere'",
        ),
    ],
)
def test_what_zenml_refuses_is_told_in_a_line(workspace, orchestrator, line):
    from zenml.client import Client

    with pytest.raises(ConfigError, match=line) as raised:
        workspace.apply(stack(name="bad", orchestrator=orchestrator))
    assert "\n" not in str(raised.value)
    assert not Client().list_stacks(name="bad").items


@pytest.mark.parametrize("name", ["ferkit", "default"])
def test_the_names_of_the_stacks_that_are_always_there_are_refused(workspace, name):
    with pytest.raises(ConfigError, match="choose another name"):
        workspace.apply(stack(name=name))


def test_a_run_finds_its_stack_by_file_by_path_and_by_registered_name(workspace, tmp_path):
    from zenml.client import Client

    activate(workspace, "local")
    assert Client().active_stack_model.name == "local"
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"name": "mine", "orchestrator": {"flavor": "local"}, "image": {"cpu": "a:1"}}))
    _, by_path = activate(workspace, str(file))
    assert by_path.image.cpu == "a:1"
    activate(workspace, None)
    assert Client().active_stack_model.name == "ferkit"
    _, by_name = activate(workspace, "mine")
    assert Client().active_stack_model.name == "mine"
    assert by_name == by_path
    with pytest.raises(ConfigError, match=r"--stack other: no stack of this name, and no file; known: .*local, mine"):
        activate(workspace, "other")
    with pytest.raises(ConfigError, match=r"no such file. Stacks in configs/stacks/: .*local"):
        stack_file(str(tmp_path / "none.yaml"))


def test_mlflow_is_where_the_stack_has_it(workspace, tmp_path):
    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    tracker = {"flavor": "mlflow", "configuration": {"tracking_uri": elsewhere}}
    file = tmp_path / "tracked.yaml"
    file.write_text(
        yaml.safe_dump({"name": "tracked", "orchestrator": {"flavor": "local"}, "experiment_tracker": tracker})
    )
    there, _ = activate(workspace, str(file))
    assert there.tracking_uri == elsewhere
    assert Path(there.root) == workspace.root


def test_the_commands_tell_what_was_done_and_what_there_is(workspace, tmp_path):
    file = tmp_path / "shown.yaml"
    file.write_text(yaml.safe_dump({"name": "shown", "orchestrator": {"flavor": "local"}}))
    for what in ("registered", "unchanged"):
        done = CliRunner().invoke(app, ["stack", "apply", str(file)], catch_exceptions=False)
        lines = [line.split() for line in done.output.splitlines()]
        assert ["orchestrator", "shown", "local", what] in lines
        assert ["stack", "shown", "local", what] in lines
    listed = CliRunner().invoke(app, ["stack", "list"], catch_exceptions=False).output
    assert f"shown  orchestrator local\n    artifacts  {workspace.root / 'artifacts'}\n" in listed
    assert "kubernetes  not registered: ferkit stack apply configs/stacks/kubernetes.yaml" in listed
    content = json.loads(CliRunner().invoke(app, ["stack", "list", "--json"], catch_exceptions=False).stdout)
    assert {"name": "shown", "orchestrator": "local"}.items() <= content["stacks"][-1].items()
    assert content["not_registered"]["kubernetes"] == "configs/stacks/kubernetes.yaml"


def test_a_check_of_a_run_checks_its_stack(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("name: wrong")
    config = str(STACK_FILES.parent / "quickstart.yaml")
    with pytest.raises(ConfigError, match="orchestrator: missing"):
        CliRunner().invoke(app, ["run", config, "--check", "--stack", str(file)], catch_exceptions=False)
