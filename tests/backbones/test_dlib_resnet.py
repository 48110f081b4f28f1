import struct
from pathlib import Path

import keras
import numpy as np
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from ferkit.backbones import BackboneSettings, build_network, get
from ferkit.backbones.dlib_file import fill, projection, read_layers
from ferkit.backbones.weights import find_or_download, find_package
from ferkit.cli.app import app
from ferkit.errors import WeightsError

DESCRIPTORS = Path(__file__).parents[3] / "shared" / "weights" / "dlib_descriptors.npz"
CARD = get("dlib_resnet")


def integer(value):
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def tensor(values):
    sides = (len(values), 1, 1, 1)
    return b"".join(map(integer, (2, *sides))) + struct.pack(f"<{len(values)}f", *values)


def layer(kind, values, *before):
    return integer(len(kind)) + kind.encode() + b"".join(map(integer, before)) + tensor(values)


def network():
    picture = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, (1, 3))(picture)
    return keras.Model(picture, keras.layers.BatchNormalization()(x))


# Two filters of one row and three columns with their biases, and the affine layer after them.
FILTERS = [1.0, 2.0, 3.0, -4.0, -5.0, 300.0, 0.5, -0.5]
AFFINE = [2.0, 3.0, 10.0, 20.0]
SERIALISED = (
    b"\x01\x01" + layer("con_4", FILTERS) + b"\x01\x02" + layer("affine_", AFFINE) + layer("fc_2", [1] * 256, 128, 2)
)


def test_layers_of_a_serialised_network(tmp_path):
    file = tmp_path / "net.dat"
    file.write_bytes(SERIALISED)
    layers = read_layers(file)
    assert [(kind, list(values)) for kind, values in layers[:2]] == [("con_4", FILTERS), ("affine_", AFFINE)]
    assert projection(file).shape == (2, 128)
    filled = network()
    fill(filled, file)
    row = np.asarray([1.0, 10.0, 100.0, 0.0])
    pictures = np.broadcast_to(row[:, None], (1, 4, 4, 1))
    features = np.asarray(filled(pictures))
    # Cross-correlation, not convolution; no epsilon in an affine layer.
    np.testing.assert_allclose(features[0, 0, 0], [2 * (321 + 0.5) + 10, 3 * (-4 - 50 + 30000 - 0.5) + 20], rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SERIALISED[:40], "a tensor of 8 values, but the file ends at 40"),
        (b"no network at all", "found no layer of one"),
        (layer("con_4", FILTERS).replace(b"\x01\x02", b"\x01\x03", 1), "a tensor of version 3, expected 2"),
        (layer("con_4", FILTERS), "1 layers with weights, the network 2"),
        (layer("con_4", FILTERS[1:]) + layer("affine_", AFFINE), "conv2d.*: 7 values, expected 8"),
    ],
)
def test_another_file_ends_in_one_line(tmp_path, content, message):
    file = tmp_path / "net.dat"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        fill(network(), file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """The published weights, converted from the package into a cache of their own."""
    if find_package(CARD.weights.package) is None:
        pytest.skip("face_recognition_models is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FERKIT_WEIGHTS", raising=False)
        patch.setenv("FERKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield find_or_download(CARD.weights)


def test_the_published_network_answers_as_dlib_does(converted):
    if not DESCRIPTORS.is_file():
        pytest.skip("no descriptors of dlib beside the checkout")
    stored = np.load(DESCRIPTORS)
    settings = BackboneSettings(name="dlib_resnet", input_size=150, weights=converted)
    built = build_network(settings, {"fer": 7}, seed=0, picture=(150, 150, 3))
    normalised = keras.Model(built.input, built.get_layer("preprocessing").output)(stored["pictures"])
    features = built.get_layer("backbone")(normalised)
    descriptors = np.asarray(features).mean(axis=(1, 2)) @ projection(find_package(CARD.weights.package))
    np.testing.assert_allclose(descriptors, stored["descriptors"], atol=1e-4)


def test_a_part_of_the_stages_has_the_same_weights(converted):
    def built(**settings):
        settings = BackboneSettings(name="dlib_resnet", input_size=96, weights=converted, **settings)
        return build_network(settings, {"fer": 7}, seed=0).get_layer("backbone")

    whole, part = built(), built(depth=4, stages=(3, 4))
    assert (whole.output_shape, part.output_shape) == ((None, 1, 1, 256), (None, 128 + 256))
    pictures = np.random.default_rng(0).normal(size=(2, 96, 96, 3)).astype(np.float32)
    inner = keras.Model(whole.input, [whole.get_layer(f"stage{stage}_block3_relu").output for stage in (3, 4)])
    expected = np.concatenate([np.asarray(each).mean(axis=(1, 2)) for each in inner(pictures)], axis=1)
    np.testing.assert_allclose(np.asarray(part(pictures)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "resnet50", "depth": 3}, "depth: the stages of resnet50 are fixed"),
        ({"name": "fernet", "depth": 5}, "depth 5: fernet has 4 stages"),
        ({"name": "vggface", "stages": (1,)}, "stages: the stages of vggface are fixed"),
        ({"name": "dlib_resnet", "depth": 6}, "depth 6: dlib_resnet has 5 stages"),
        ({"name": "dlib_resnet", "stages": (4, 3, 5)}, "expected rising numbers from 1 to 5"),
        ({"name": "dlib_resnet", "depth": 4, "stages": ()}, "expected rising numbers from 1 to 4"),
        ({"name": "dlib_resnet", "stages": (3, 4)}, "nothing would use those after 4; set depth: 4"),
        ({"name": "dlib_resnet", "depth": 3, "stages": (3, 4)}, "dlib_resnet has 3 stages here"),
    ],
)
def test_stages_that_cannot_be_kept(settings, message):
    with pytest.raises(ValidationError, match=message):
        BackboneSettings(**settings)


def test_without_the_package_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv("FERKIT_WEIGHTS", raising=False)
    monkeypatch.setenv("FERKIT_CACHE", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(WeightsError, match=r"pip install 'ferkit\[dlib\]'. Put dlib_face_resnet.weights.h5 ") as caught:
        find_or_download(CARD.weights)
    assert "\n" not in str(caught.value)


def test_another_file_in_the_package_is_not_converted(tmp_path, monkeypatch):
    package = tmp_path / "face_recognition_models"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('no code of the package runs')")
    (package / CARD.weights.package.file).write_bytes(SERIALISED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("FERKIT_WEIGHTS", raising=False)
    monkeypatch.setenv("FERKIT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(
        WeightsError, match=r"sha256 [0-9a-f]+, expected 55533b28.*Install face_recognition_models again"
    ):
        find_or_download(CARD.weights)
    assert not (tmp_path / "cache").exists()


def test_fetch_from_the_command(converted, monkeypatch):
    monkeypatch.delenv("FERKIT_WEIGHTS", raising=False)
    monkeypatch.setenv("FERKIT_CACHE", str(converted.parent))
    reply = CliRunner().invoke(app, ["backbones", "--fetch", "dlib_resnet", "--fetch", "fernet"])
    assert reply.exit_code == 0
    assert reply.output.splitlines() == [
        f"dlib_resnet: {converted}",
        "fernet: trained from scratch, there is nothing to fetch",
    ]
