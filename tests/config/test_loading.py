"""A configuration's file: what is read of it, what overrides change, and what an older version stored."""

import pytest

from ferkit.config.loading import load_config, load_stored_config
from ferkit.errors import ConfigError
from ferkit.training.settings import NetworkPhaseSettings
from tests.config.smallest import ROOT, written


@pytest.mark.parametrize(
    ("text", "message"), [("- a\n- b\n", "expected a mapping"), ("a: [", "not YAML"), ("", "found NoneType")]
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, message):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_a_missing_file_lists_what_is_there(tmp_path):
    written(tmp_path)
    with pytest.raises(ConfigError, match=r"no such file.*run\.yaml"):
        load_config(tmp_path / "rum.yaml")


def test_overrides_reach_every_depth(tmp_path):
    path = written(tmp_path, backbones=[{"name": "vggface", "alias": "a"}, {"name": "fernet", "alias": "b"}])
    config = load_config(
        path,
        ["training.network.epochs=3", "training.head.learning_rate=0.5", "backbones.b.width=8",
         "backbones.0.dropout=0.1", "ensemble.method=mean", "targets=[{name: ferplus}]"],
    )  # fmt: skip
    assert config.training.network.epochs == 3
    assert config.training.head.learning_rate == 0.5
    assert [entry.width for entry in config.backbones] == [None, 8]
    assert config.backbones[0].dropout == 0.1
    assert config.ensemble.method == "mean"
    assert config.targets[0].name == "ferplus"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.network.epochs", "expected key=value"),
        ("training.epochs=3", r"training\.epochs: it is training\.network\.epochs now\.$"),
        ("backbones.c.width=3", r"no entry 'c', the list has fernet"),
        ("seed=[", "not YAML"),
        ("training.epocs=3", r"training\.epocs: unknown key"),
    ],
)
def test_a_wrong_override_says_so(tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(written(tmp_path), [override])


def test_what_an_older_version_stored_is_read_in_todays_words(tmp_path):
    path = written(
        tmp_path,
        training={"epochs": 4, "learning_rate": 0.1, "head": {"epochs": 2}, "batch_size": 16},
        backbones=[{"name": "mobilenet_vggface2", "training": {"warmup_epochs": 2, "head": {"epochs": 1}}}],
    )
    config = load_stored_config(path, ["training.network.learning_rate=0.2"])
    training = config.training_of(config.backbones[0])
    assert (training.head.epochs, training.batch_size) == (1, 16)
    assert training.network == NetworkPhaseSettings(epochs=4, learning_rate=0.2, warmup_epochs=2)
    with pytest.raises(ConfigError, match=r"training\.epochs: it is training\.network\.epochs now\.$"):
        load_stored_config(path, ["training.epochs=3"])
    config_file = tmp_path / "today.yaml"
    config_file.write_text(config.to_yaml())
    assert load_stored_config(config_file) == config


@pytest.mark.parametrize("name", ["reference_cpu", "reference_gpu"])
def test_the_configurations_that_ship_beside_the_models_can_be_run(name):
    config = load_config(ROOT / "ferkit" / "bundles" / "reference" / f"config-{name}.yaml")
    assert config.name == name


def test_a_tilde_in_any_path_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    changes = ("data={source: fer2013, path: ~/fer}", "cleaning.exclude=~/out.csv", "backbones.0.weights=~/w.h5")
    config = load_config(written(tmp_path), changes)
    places = (config.data.path, config.cleaning.exclude, config.backbones[0].weights)
    assert places == (tmp_path / "fer", tmp_path / "out.csv", tmp_path / "w.h5")
    with pytest.raises(ConfigError, match="path: ~nobody-here/fer: no home folder of ~nobody-here is known"):
        load_config(written(tmp_path), ["data={source: fer2013, path: ~nobody-here/fer}"])
