import hashlib
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pytest

from ferkit.backbones import BackboneSettings, registry
from ferkit.backbones.registry import Weights
from ferkit.backbones.weight_files import load_weight_file
from ferkit.backbones.weights import content_of, find, find_or_download
from ferkit.errors import WeightsError
from ferkit.files import cache_folder

CONTENT = bytes(range(256)) * 5000


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requested.append(self.path)
        if self.path == "/absent.h5":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: 1000 if self.path == "/truncated.h5" else None])

    def log_message(self, *_args):
        pass


@contextmanager
def serving():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requested = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.delenv("FERKIT_WEIGHTS", raising=False)
    monkeypatch.setenv("FERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path


def card(server, file="net.h5", **checksum):
    url = f"http://127.0.0.1:{server.server_port}/{file}"
    return Weights(file=file, url=url, licence="test", source="test", **checksum)


def test_download_once_then_from_the_cache(server, folders):
    weights = card(server, sha256=hashlib.sha256(CONTENT).hexdigest(), md5=hashlib.md5(CONTENT).hexdigest())
    assert find(weights) is None
    file = find_or_download(weights)
    assert file == folders / "cache" / "net.h5"
    assert file.read_bytes() == CONTENT
    assert find_or_download(weights) == file
    assert server.requested == ["/net.h5"]
    assert [each.name for each in file.parent.iterdir()] == ["net.h5"]


def test_the_folder_of_the_user_comes_first(server, folders, monkeypatch):
    find_or_download(card(server))
    mine = folders / "mine"
    mine.mkdir()
    (mine / "net.h5").write_bytes(b"mine")
    monkeypatch.setenv("FERKIT_WEIGHTS", str(mine))
    assert find_or_download(card(server)) == mine / "net.h5"


def test_the_cache_of_a_checkout_lies_in_it(monkeypatch):
    monkeypatch.delenv("FERKIT_CACHE")
    assert str(cache_folder()) == ".ferkit/weights"


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_wrong_checksum_keeps_nothing(server, folders, kind):
    with pytest.raises(
        WeightsError, match=rf"{kind} [0-9a-f]+, expected 0+. Nothing was kept. Put net.h5 from http"
    ) as caught:
        find_or_download(card(server, **{kind: "0" * 32}))
    assert "\n" not in str(caught.value)
    assert list((folders / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("file", "reason"), [("truncated.h5", "1,000 bytes came, expected 1,280,000"), ("absent.h5", "HTTP Error 404")]
)
def test_failed_download_keeps_nothing(server, folders, file, reason):
    with pytest.raises(
        WeightsError, match=rf"{file} cannot be downloaded: {reason}.*Put {file} from http.* into .*cache"
    ):
        find_or_download(card(server, file))
    assert list((folders / "cache").iterdir()) == []


def test_offline_says_in_one_line_which_file_to_put_where(folders, monkeypatch):
    with serving() as gone:
        weights = card(gone)
    with pytest.raises(WeightsError) as caught:
        find_or_download(weights)
    message = str(caught.value)
    assert "\n" not in message
    place = f"{folders / 'cache'} or a folder that FERKIT_WEIGHTS names"
    assert message.endswith(f"Put net.h5 from {weights.url} into {place}, or set weights: none.")
    monkeypatch.setenv("FERKIT_WEIGHTS", str(folders))
    with pytest.raises(WeightsError, match=rf"Put net.h5 from \S+ into {folders} \(FERKIT_WEIGHTS\), or set"):
        find_or_download(weights)


def test_a_file_without_download_says_how_to_come_by_it():
    weights = Weights(file="net.h5", url=None, licence="test", source="from the npm package x")
    with pytest.raises(WeightsError, match=r"net.h5 is missing and has no download.*\(from the npm package x\) into"):
        find_or_download(weights)


def test_a_damaged_local_file_is_refused(server, folders):
    (folders / "cache").mkdir()
    (folders / "cache" / "net.h5").write_bytes(b"half")
    with pytest.raises(WeightsError, match=r"cache/net.h5: sha256 \w+, expected \w+. Delete it"):
        find_or_download(card(server, sha256=hashlib.sha256(CONTENT).hexdigest()))
    assert server.requested == []


def test_a_weights_folder_that_is_none(server, folders, monkeypatch):
    monkeypatch.setenv("FERKIT_WEIGHTS", str(folders / "nowhere"))
    with pytest.raises(WeightsError, match=r"FERKIT_WEIGHTS names .*nowhere, which is no folder"):
        find_or_download(card(server))


def test_a_cache_that_cannot_be_written(server, folders):
    (folders / "cache").write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match=r"cannot be downloaded: .*File exists"):
        find_or_download(card(server))


def twins():
    """Two convolutions of one shape, so that only names can tell which weights belong to which."""
    import keras

    picture = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(2, 3, name="first_conv")(picture)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.Conv2D(2, 1, name="a")(x)
    return keras.Model(picture, keras.layers.BatchNormalization(name="a_bn")(keras.layers.Conv2D(2, 1, name="b")(x)))


def write_keras2(file, layers, *, chunks=False, inside=None):
    """An .h5 file as Keras 2 wrote it: `layers` maps a layer's name to its weights by name."""
    with h5py.File(file, "w") as opened:
        root = opened.create_group(inside) if inside else opened
        names = [name.encode() for name in layers]
        if chunks:
            root.attrs["layer_names0"], root.attrs["layer_names1"] = names[:2], names[2:]
        else:
            root.attrs["layer_names"] = names
        root.attrs["backend"] = b"tensorflow"
        root.attrs["keras_version"] = b"2.1.3"
        for layer, weights in layers.items():
            group = root.require_group(layer)
            group.attrs["weight_names"] = np.array([f"{layer}/{name}:0".encode() for name in weights], dtype="S")
            for name, value in weights.items():
                group[f"{layer}/{name}:0"] = value


def stored(first="first/conv", a="a", b="b", bn="a/bn"):
    conv = {"kernel": np.zeros((1, 1, 2, 2)), "bias": np.zeros(2)}
    statistics = dict(
        zip(("gamma", "beta", "moving_mean", "moving_variance"), np.arange(8.0).reshape(4, 2), strict=True)
    )
    return {
        "input_1": {},
        first: {"kernel": np.full((3, 3, 2, 2), 1.0), "bias": np.full(2, 2.0)},
        "activation_1": {},
        b: {**conv, "bias": np.full(2, 4.0)},
        bn: statistics,
        a: {**conv, "bias": np.full(2, 3.0)},
    }


@pytest.mark.parametrize("variant", [{}, {"chunks": True}, {"inside": "model_weights"}])
def test_keras2_layers_are_found_by_name_in_any_order(tmp_path, variant):
    write_keras2(tmp_path / "net.h5", stored(), **variant)
    network = twins()
    load_weight_file(network, tmp_path / "net.h5", "twins")
    biases = [network.get_layer(name).get_weights()[1][0] for name in ("first_conv", "a", "b")]
    assert biases == [2, 3, 4]
    np.testing.assert_array_equal(network.get_layer("a_bn").get_weights(), np.arange(8.0).reshape(4, 2))


def test_keras2_layers_with_other_names_are_taken_in_order(tmp_path):
    write_keras2(tmp_path / "net.h5", stored(first="conv2d_7", b="conv2d_8", bn="batch_normalization_3", a="conv2d_9"))
    network = twins()
    with pytest.raises(WeightsError, match=r"layer 'batch_normalization_3': shapes .* 'b' of twins expects"):
        load_weight_file(network, tmp_path / "net.h5", "twins")
    layers = stored(first="conv2d_7", b="conv2d_8", bn="batch_normalization_3", a="conv2d_9")
    layers["batch_normalization_3"] = layers.pop("batch_normalization_3")
    write_keras2(tmp_path / "net.h5", layers)
    load_weight_file(network, tmp_path / "net.h5", "twins")
    assert [network.get_layer(name).get_weights()[1][0] for name in ("first_conv", "a", "b")] == [2, 4, 3]


def test_keras2_file_of_another_network_leaves_the_network_alone(tmp_path):
    layers = stored()
    layers["a"]["kernel"] = np.zeros((1, 1, 5, 2))
    write_keras2(tmp_path / "net.h5", layers)
    network = twins()
    before = network.get_weights()
    with pytest.raises(WeightsError, match=r"net\.h5, layer 'a': shapes \[\(1, 1, 5, 2\), .* expects \[\(1, 1, 2, 2\)"):
        load_weight_file(network, tmp_path / "net.h5", "twins")
    for now, then in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    del layers["a"]
    write_keras2(tmp_path / "net.h5", layers)
    with pytest.raises(WeightsError, match=r"net\.h5 has 3 layers with weights, twins has 4"):
        load_weight_file(network, tmp_path / "net.h5", "twins")


def test_keras3_file(tmp_path):
    import keras

    saved, network = twins(), twins()
    saved.save_weights(tmp_path / "net.weights.h5")
    load_weight_file(network, tmp_path / "net.weights.h5", "twins")
    for now, then in zip(network.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(now, then)
    other = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Conv2D(3, 3)])
    with pytest.raises(
        WeightsError, match=r"net\.weights\.h5 holds the weights of another network than other: \S"
    ) as caught:
        load_weight_file(other, tmp_path / "net.weights.h5", "other")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"not HDF5 at all", "empty", "half"])
def test_no_weight_file(tmp_path, content):
    file = tmp_path / "net.weights.h5"
    network = twins()
    if content == "empty":
        h5py.File(file, "w").close()
    elif content == "half":
        network.save_weights(file)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif content is not None:
        file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"net\.weights\.h5") as caught:
        load_weight_file(network, file, "twins")
    assert "\n" not in str(caught.value)


def test_another_content_of_a_file_that_the_settings_name_is_another_key(folders):
    file = folders / "mine.h5"
    settings = BackboneSettings(name="fernet", weights=file)
    with pytest.raises(WeightsError, match=r"mine.h5: the weights of fernet cannot be read \(No such file"):
        content_of(settings)
    file.write_bytes(b"one")
    before = content_of(settings)
    assert before == hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"two")
    assert content_of(settings) != before
    assert content_of(BackboneSettings(name="fernet")) == content_of(BackboneSettings(name="vggface", weights="none"))


def test_a_published_file_has_one_key_before_and_after_its_download(server, folders, monkeypatch):
    published = card(server)
    monkeypatch.setitem(registry._REGISTRY, "vggface", replace(registry.get("vggface"), weights=published))
    settings = BackboneSettings(name="vggface")
    before = content_of(settings)
    file = find_or_download(published)
    assert content_of(settings) == before
    file.write_bytes(b"of somebody else")
    assert content_of(settings) == hashlib.sha256(b"of somebody else").hexdigest()
    known = card(server, sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(registry._REGISTRY, "vggface", replace(registry.get("vggface"), weights=known))
    assert content_of(settings) == "", "its checksum is looked at when it is loaded"
