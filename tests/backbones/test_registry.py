"""The registry of backbones, and what a configuration may say of one."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from ferkit.backbones import (
    BackboneSettings,
    build_network,
    describe,
    get,
    names,
    register,
)
from ferkit.backbones.registry import Head, Preprocessing
from ferkit.errors import ConfigError
from tests.backbones.test_backbones import probabilities


def test_importing_the_registry_imports_no_keras():
    code = (
        "import sys, ferkit.backbones, ferkit.training.augmentation; print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_unknown_name_lists_the_known():
    with pytest.raises(ConfigError, match=r"no backbone 'vggfaces' \(did you mean 'vggface'\?\); known: .*fernet.*"):
        get("vggfaces")
    with pytest.raises(ValidationError, match=r"no backbone 'xyz'; known: .*fernet.*vggface2_senet"):
        BackboneSettings(name="xyz")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input_size": 32, "name": "vggface"}, "needs at least 48"),
        ({"input_size": 0, "name": "fernet"}, "needs at least 16"),
        ({"width": 16, "name": "vggface"}, "width of vggface is fixed"),
        ({"weights": "pretraned", "name": "vggface"}, "expected pretrained, none, or the path of an .h5 file"),
        ({"dropout": 1, "name": "vggface"}, "less than 1"),
        ({"hidden": [0], "name": "vggface"}, "at least one unit"),
        ({"alias": "a/b", "name": "vggface"}, "alias"),
        ({"size": 48, "name": "vggface"}, "Extra inputs"),
    ],
)
def test_settings_refuse(settings, message):
    with pytest.raises(ValidationError, match=message):
        BackboneSettings(**settings)


def test_settings_say_whether_a_network_starts_trained():
    assert BackboneSettings(name="vggface").starts_trained
    assert not BackboneSettings(name="vggface", weights="none").starts_trained
    assert not BackboneSettings(name="fernet").starts_trained
    assert BackboneSettings(name="fernet", weights="mine.h5").starts_trained
    assert BackboneSettings(name="fernet", alias="fernet_b").label == "fernet_b"


def test_a_backbone_of_ones_own(monkeypatch):
    import keras

    from ferkit.backbones import registry

    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))

    @register(
        "tinynet",
        summary="one convolution",
        input_size=24,
        min_size=8,
        preprocessing=Preprocessing("grey 0..1", mean=(0.0,), scale=1 / 255),
        head=Head(dropout=0.1),
        parameters=40,
    )
    def tinynet(size, settings):
        picture = keras.Input((size, size, 1))
        return keras.Model(picture, keras.layers.Conv2D(4, 3)(picture))

    built = build_network(BackboneSettings(name="tinynet"), {"fer": 7}, seed=3)
    assert built.get_layer("backbone").count_params() == 40
    assert probabilities(built).shape == (6, 7)
    with pytest.raises(ConfigError, match="'tinynet' is registered already: one convolution"):
        register("tinynet")(tinynet)


def test_listing(tmp_path, monkeypatch):
    monkeypatch.setenv("FERKIT_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("FERKIT_CACHE", str(tmp_path / "cache"))
    (tmp_path / get("vggface").weights.file).write_bytes(b"")
    table = describe().set_index("name")
    assert list(table.index) == names()
    assert table.loc["vggface", "weights"] == f"found: {tmp_path / get('vggface').weights.file}"
    assert table.loc["vggface2", "weights"].startswith("missing: will be downloaded from https://github.com/rcmalli/")
    assert table.loc["mobilenet_vggface2", "weights"].startswith("missing: put mobilenet_vggface2.weights.h5 into")
    assert table.loc["fernet", "weights"] == "trained from scratch"
    assert "non-commercial" in table.loc["vggface2", "licence"]
    assert table.loc["vggface", "parameters"] == 14_714_688
