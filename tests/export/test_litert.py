"""LiteRT files that answer in place of the networks of a bundle, weights in 8 bits, and the command that exports."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ferkit.backbones import BackboneSettings, build_network
from ferkit.bundles.bundle import Bundle, load_bundle
from ferkit.bundles.card import BundleCard
from ferkit.bundles.parity import require_parity
from ferkit.bundles.weights import read_weights, write_weights
from ferkit.cli.commands import export as export_command
from ferkit.cli.errors import expected_error
from ferkit.errors import ConfigError, DataError, WeightsError
from ferkit.export import (
    LIMITS,
    Limits,
    LiteRTNetwork,
    ParityError,
    litert_graph,
    write_litert,
    write_litert_of,
)
from tests.toys.export import HEADS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def quick(bundle_folder, tmp_path_factory):
    """The bundle, its student as LiteRT too."""
    import shutil

    folder = Path(shutil.copytree(bundle_folder, tmp_path_factory.mktemp("quick") / "toy"))
    write_litert_of(Bundle(folder), "small")
    return folder


def test_the_student_answers_by_litert_and_says_the_same(quick, bundle_folder, faces):
    images = faces.images[:50]
    card = BundleCard.read(quick).networks
    assert [name for name, each in card.items() if each.litert] == ["small"]
    for target in HEADS:
        fast, slow = Bundle(quick), Bundle(quick, quick=False)
        np.testing.assert_allclose(
            fast.predict(images, target, model="tiny"), slow.predict(images, target, model="tiny"), atol=1e-5
        )
        assert not fast._networks
        assert set(slow._networks) == {"small"}
        np.testing.assert_array_equal(fast.predict(images, target), Bundle(bundle_folder).predict(images, target))
    assert Bundle(quick).predict(images[:0], model="tiny").shape == (0, 7)


def test_it_answers_without_keras_and_tensorflow(quick):
    code = f"""
import sys
from pathlib import Path
import numpy as np
from ferkit.bundles.bundle import load_bundle
bundle = load_bundle(Path({str(quick)!r}))
said = bundle.predict(np.zeros((3, 48, 48), np.uint8), "ferplus", model="tiny")
assert said.shape == (3, 8), said.shape
print(sorted({{"keras", "tensorflow", "jax", "torch"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_changed_litert_file_is_refused(quick, tmp_path):
    import shutil

    copy = Path(shutil.copytree(quick, tmp_path / "copy"))
    (copy / "small.tflite").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"small\.tflite: sha256"):
        load_bundle(copy)


def test_a_litert_file_that_says_something_else_is_not_put_on_the_card(bundle_folder, tmp_path, monkeypatch):
    import shutil

    copy = Path(shutil.copytree(bundle_folder, tmp_path / "copy"))
    before = (copy / "reference.json").read_bytes()
    # No rounding is small enough for it.
    monkeypatch.setitem(LIMITS, "float16", Limits(largest=0, mean=0, agreement=1, accuracy=0))
    with pytest.raises(ParityError, match=r"small\.tflite does not say what the trained networks say"):
        write_litert_of(Bundle(copy), "small", "float16")
    assert (copy / "reference.json").read_bytes() == before
    assert not (copy / "small.tflite").exists()


def test_weights_in_8_bits_say_what_the_bundle_s_own_say_and_are_a_quarter(tmp_path, faces):
    network = build_network(BackboneSettings(name="fernet", width=24), HEADS, seed=0)
    write_weights(network, tmp_path / "net.npz", "int8")
    read_weights(network, tmp_path / "net.npz")
    graph = litert_graph(network, tmp_path / "graph")
    for precision in ("float32", "int8_weights"):
        write_litert(network, tmp_path / f"{precision}.tflite", precision, graph=graph)
    large, small = (LiteRTNetwork(tmp_path / f"{name}.tflite") for name in ("float32", "int8_weights"))
    images = faces.images[:40]
    require_parity("small", large(images), small(images), "float32")
    assert small.file.stat().st_size < 0.35 * large.file.stat().st_size


def test_only_the_largest_weights_have_8_bits_where_precisions_are_mixed(tmp_path, faces, monkeypatch):
    monkeypatch.setattr("ferkit.export.litert_weights._LARGE", 100_000)
    network = build_network(BackboneSettings(name="fernet", width=16), HEADS, seed=0)
    beyond_float16, after = (network.get_layer("backbone").get_layer(name) for name in ("conv4_1", "conv4_2"))
    beyond_float16.kernel.assign(1e7 * np.asarray(beyond_float16.kernel))
    after.kernel.assign(1e-7 * np.asarray(after.kernel))
    graph = litert_graph(network, tmp_path / "graph")
    for precision in ("float32", "mixed_weights"):
        write_litert(network, tmp_path / f"{precision}.tflite", precision, graph=graph)
    large, small = (LiteRTNetwork(tmp_path / f"{name}.tflite") for name in ("float32", "mixed_weights"))
    require_parity("mixed", large(faces.images[:40]), small(faces.images[:40]), "mixed_weights")
    half, int8 = np.float16, np.int8
    assert stored_kernels(small.file) == {
        (64, 3, 3, 32): half, (64, 3, 3, 64): half, (128, 3, 3, 64): int8, (128, 3, 3, 128): int8
    }  # fmt: skip


def stored_kernels(file):
    """Types of the constants that are not float32, by shape."""
    from ai_edge_litert.interpreter import Interpreter

    tensors = Interpreter(file).get_tensor_details()
    return {
        tuple(map(int, each["shape"])): each["dtype"]
        for each in tensors
        if each["dtype"] in (np.int8, np.float16) and each["shape"].size == 4
    }


def test_what_a_picture_gets_does_not_depend_on_those_beside_it(tmp_path, faces):
    """Also where the range of the activations is that of what comes."""
    network = build_network(BackboneSettings(name="fernet", width=24), HEADS, seed=0)
    write_litert(network, tmp_path / "dynamic.tflite", "int8_dynamic")
    quick, images = LiteRTNetwork(tmp_path / "dynamic.tflite"), faces.images[:8]
    together = quick(images)["fer"]
    np.testing.assert_allclose(np.concatenate([quick(images[[at]])["fer"] for at in range(8)]), together, atol=1e-5)


def test_many_threads_ask_one_litert_network(quick, faces):
    network = LiteRTNetwork(quick / "small.tflite")
    alone = network(faces.images[:40])["fer"]
    wrong = []

    def predict(seed):
        random = np.random.default_rng(seed)
        for _ in range(20):
            some = random.integers(0, 40, random.integers(1, 40))
            if not np.allclose(network(faces.images[some])["fer"], alone[some], atol=1e-6):
                wrong.append(seed)

    threads = [threading.Thread(target=predict, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    with pytest.raises(DataError, match=r"float32 \(2, 48, 48\), expected uint8"):
        network(np.zeros((2, 48, 48), np.float32))


@pytest.fixture
def ferkit(tmp_path, monkeypatch):
    """Run `ferkit export` where no state can be kept."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("FERKIT_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr("ferkit.cli.console.quiet_native_libraries", lambda _log: None)
    app = typer.Typer()
    app.callback()(lambda: None)
    export_command.register(app)
    return lambda *arguments: CliRunner().invoke(app, ["export", *map(str, arguments)], env={"COLUMNS": "160"})


def test_the_command_exports_and_shows_a_table(ferkit, quick, tmp_path):
    options = ("--format", "litert", "--precision", "float32", "--compared", "50")
    config = tmp_path / "drawn.yaml"
    config.write_text("name: drawn\ndata: {source: synthetic, count: 200}\nbackbones: [{name: fernet}]\n")
    done = ferkit(f"{quick}#tiny", "--to", tmp_path / "out", "--data", config, *options)
    assert done.exit_code == 0, (done.output, done.exception)
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == [
        "toy-tiny-float32.tflite",
        "toy-tiny.parity.json",
    ]
    assert "100.0%" in done.output
    assert "drawn faces" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("default", "--format", "coreml"), "--format coreml: expected some of onnx, litert"),
        (("default", "--precision", ","), "expected some of float32, float16, int8"),
        (("nowhere",), "no such model"),
        (("nowhere#tiny",), "nowhere: no such model"),
        (("missing.keras",), "no .keras archive"),
        (("default", "--data", "nowhere.yaml"), "no such file"),
    ],
)
def test_what_the_command_refuses_is_one_line(ferkit, arguments, message):
    done = ferkit(*arguments)
    told = expected_error(done.exception)
    assert isinstance(told, ConfigError | DataError), done.exception
    assert message in str(told)
    assert "\n" not in str(told)
