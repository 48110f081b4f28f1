"""`ferkit run --check` finds what a run would stop at before its first training, all of it at once."""

import json

import pytest

from ferkit.backbones import BackboneSettings, build_network, get
from ferkit.backbones.weight_checks import check_weights
from ferkit.backbones.weights import require
from ferkit.cli.run_check import check_run
from ferkit.config.run_config import RunConfig
from ferkit.errors import ConfigError, WeightsError
from tests.toys.state import prepare_own_home

SMALL = {
    "name": "small",
    "data": {"source": "synthetic", "count": 300},
    "validation": {"minimum_class": 1},
    "backbones": [{"name": "fernet", "width": 4}],
}


@pytest.fixture(scope="module", autouse=True)
def stores():
    prepare_own_home()


@pytest.fixture(autouse=True)
def without_a_network(tmp_path, monkeypatch):
    """No weights on this machine, and nobody to fetch them from."""
    monkeypatch.setenv("FERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FERKIT_WEIGHTS", raising=False)
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def config(**changes):
    return RunConfig.model_validate({**SMALL, **changes})


def test_nothing_is_said_of_a_run_that_would_train():
    check_run(config(), None)


def test_everything_is_found_at_once(tmp_path):
    gone = tmp_path / "gone.h5"
    wrong = config(
        backbones=[
            {"name": "fernet", "alias": "mine", "weights": str(gone)},
            {"name": "resnet50"},
            {"name": "vggface2"},
        ],
        training={"execution": {"devices": 64}},
        balancing={"method": "smote", "neighbours": 200},
    )
    with pytest.raises(ConfigError) as raised:
        check_run(wrong, "nowhere")
    lines = str(raised.value).splitlines()
    for beginning in (
        "--stack nowhere: no stack of this name, and no file; known: ",
        f"{gone}: no such weight file for fernet.",
        f"{get('resnet50').weights.url} cannot be downloaded: ",
        f"{get('vggface2').weights.url} cannot be downloaded: ",
        "training.execution.devices 64: this machine has ",
        "smote: ",
    ):
        assert [line for line in lines if line.startswith(beginning)], (beginning, lines)
    assert len(lines) == 6, lines


def test_a_stack_file_is_held_to_zenml(tmp_path):
    file = tmp_path / "odd.yaml"
    file.write_text(json.dumps({"name": "odd", "orchestrator": {"flavor": "kubernets"}}))
    with pytest.raises(ConfigError, match=r"stack odd: orchestrator.flavor: no kubernets; known: "):
        check_run(config(), str(file))


def test_data_that_the_run_would_refuse_is_refused():
    with pytest.raises(ConfigError, match=r"Training pictures: .*, expected"):
        check_run(config(validation={"minimum_training": 10**6}), None)


def test_weights_of_another_network_and_layers_that_are_not_there_are_found(tmp_path):
    file = tmp_path / "other.weights.h5"
    other = build_network(BackboneSettings(name="fernet", width=8), {"fer": 7}, seed=0)
    other.get_layer("backbone").save_weights(file)
    with pytest.raises(WeightsError, match="holds the weights of another network than fernet"):
        check_weights(BackboneSettings(name="fernet", width=4, weights=file), "all")
    check_weights(BackboneSettings(name="fernet", width=8, weights=file), "all")
    with pytest.raises(ConfigError, match="no layer 'conv9' with weights in the backbone"):
        check_weights(BackboneSettings(name="fernet", width=8, weights=file), "conv9")


def test_weights_that_are_damaged_are_found(tmp_path):
    weights = get("resnet50").weights
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / weights.file).write_bytes(b"half a file")
    with pytest.raises(WeightsError, match=f"md5 .*, expected {weights.md5}"):
        require(weights)
