"""Export: every format and precision says what Keras says, a file that does not is refused, LiteRT answers alone."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ferkit.backbones import BackboneSettings, build_network
from ferkit.bundles.bundle import Bundle, load_bundle
from ferkit.bundles.card import BundleCard, NetworkCard, TargetCard, Vote
from ferkit.bundles.parity import compare, require_parity, violations
from ferkit.bundles.weights import read_weights, write_weights
from ferkit.cli.commands import export as export_command
from ferkit.cli.errors import expected_error
from ferkit.data.input_card import InputCard
from ferkit.data.labels import class_names
from ferkit.data.targets import TargetSettings
from ferkit.errors import ConfigError, DataError, WeightsError
from ferkit.export import (
    LIMITS,
    ExportPictures,
    ExportSource,
    Limits,
    LiteRTNetwork,
    ONNXNetwork,
    ParityError,
    export_model,
    litert_graph,
    onnx_graph,
    write_litert,
    write_litert_of,
    write_onnx,
)
from ferkit.export.graph import answering, model_network
from ferkit.export.latency import BATCHES, measure_latency
from ferkit.models.face_model import forward
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.sources import Fer2013Settings, SyntheticSettings, load

ROOT = Path(__file__).parents[2]
FORMATS, PRECISIONS = ("onnx", "litert"), ("float32", "float16", "int8")
RUNTIMES = {".onnx": ONNXNetwork, ".tflite": LiteRTNetwork}
HEADS = {"fer": 7, "ferplus": 8}
# Networks that were not trained are unsure, so a small difference turns more of their decisions.
UNTRAINED = {**LIMITS, "int8": dataclasses.replace(LIMITS["int8"], agreement=0.85, accuracy=1.0)}
REAL = os.environ.get("FERKIT_TEST_DATA")


@pytest.fixture(scope="module")
def faces():
    return load(SyntheticSettings(count=200))


def toy(heads, seed, name="fernet"):
    """A network whose answers differ from picture to picture."""
    settings = BackboneSettings(name=name, width=16, depth=2, input_size=24, weights="none")
    network = build_network(settings, heads, seed=seed)
    random = np.random.default_rng(seed)
    for layer in network.layers:
        if layer.name.startswith("probabilities_"):
            layer.kernel.assign(8 * np.asarray(layer.kernel))
    for layer in network.get_layer("backbone").layers:
        if hasattr(layer, "moving_mean"):
            layer.moving_mean.assign(random.normal(0, 0.2, layer.moving_mean.shape))
            layer.gamma.assign(random.uniform(0.7, 1.3, layer.gamma.shape))
    return network, settings


@pytest.fixture(scope="module")
def bundle_folder(tmp_path_factory):
    """A bundle of two members, one of which answers for both targets, and a student."""
    folder = tmp_path_factory.mktemp("bundles") / "toy"
    folder.mkdir()
    cards = {}
    built = {"both": (HEADS, "fernet"), "one": ({"fer": 7}, "fernet"), "small": (HEADS, "fernet_lite")}
    for seed, (name, (heads, backbone)) in enumerate(built.items()):
        network, settings = toy(heads, seed, backbone)
        file = folder / f"{name}.npz"
        write_weights(network, file)
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        cards[name] = NetworkCard(label=name, backbone=settings, heads=heads, file=file.name, sha256=sha256)
    tiny = Vote(weights={"small": 1.0}, temperature=0.8)
    targets = {
        "fer": TargetCard(
            settings=TargetSettings(name="fer"),
            vote=Vote(weights={"both": 0.3, "one": 0.7}, temperature=1.7),
            tiny=tiny,
        ),
        "ferplus": TargetCard(settings=TargetSettings(name="ferplus"), vote=Vote(weights={"both": 1.0}), tiny=tiny),
    }
    flip = TestTimeAugmentation(flip=True)
    BundleCard(name="toy", networks=cards, targets=targets, tta={"vote": flip}).write(folder)
    return folder


@pytest.fixture(scope="module")
def bundle(bundle_folder):
    return Bundle(bundle_folder)


@pytest.fixture(scope="module")
def pictures(faces):
    return ExportPictures.of(
        faces, {target: TargetSettings(name=target) for target in HEADS}, InputCard(), representative=40
    )


@pytest.fixture(scope="module")
def report(bundle, pictures, tmp_path_factory):
    """The whole vote in every format and precision."""
    folder = tmp_path_factory.mktemp("exported")
    return export_model(
        ExportSource.of_bundle(bundle), folder, FORMATS, PRECISIONS, pictures, seconds=0, limits=UNTRAINED
    )


def close(found, expected, atol=1e-5):
    assert found.keys() == expected.keys()
    for target, probabilities in found.items():
        assert probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities, expected[target], atol=atol)


def test_every_format_and_precision_is_written_and_agrees(report):
    report.check()
    kinds = [(each.format, each.precision) for each in report.files]
    assert sorted(kinds) == sorted((form, precision) for form in FORMATS for precision in PRECISIONS)
    for each in report.files:
        assert each.path.is_file()
        assert set(each.agreements) == set(HEADS)
        for agreement in each.agreements.values():
            assert agreement.pictures == 20
            # Nothing was really rounded if this fails.
            assert each.precision == "float32" or agreement.largest > 1e-5
    sizes = {(each.format, each.precision): each.size for each in report.files}
    for form in FORMATS:
        assert sizes[form, "float16"] < sizes[form, "float32"]


def test_one_file_answers_what_the_vote_answers_for_any_number_of_pictures(report, bundle, faces):
    images = faces.images[:70]
    expected = {target: bundle.predict(images, target) for target in HEADS}
    for each in report.files:
        run = RUNTIMES[each.path.suffix](each.path)
        if each.precision == "float32":
            for count in (1, 3, 70, 2):
                close(
                    run(images[:count]), {target: probabilities[:count] for target, probabilities in expected.items()}
                )
        for probabilities in run(images).values():
            # The vote itself is never quantised; float16 has 11 bits.
            tolerance = 2e-3 if each.precision == "float16" else 1e-5
            np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=tolerance)


def test_the_report_lies_beside_the_files(report):
    content = json.loads((report.files[0].path.parent / "toy-vote.parity.json").read_text())
    assert content["classes"]["ferplus"] == list(class_names("ferplus"))
    assert [each["path"] for each in content["files"]] == [each.path.name for each in report.files]
    assert [each["batch"] for each in content["keras"]] == list(BATCHES)
    first = content["files"][0]
    assert {each["batch"] for each in first["latencies"]} == set(BATCHES)
    assert first["agreements"]["fer"]["accuracy"] == first["agreements"]["fer"]["keras_accuracy"]
    assert not first["wrong"]


def test_nothing_of_the_training_is_exported_and_the_batch_is_free(report, bundle, tmp_path):
    import onnx
    from ai_edge_litert.interpreter import Interpreter

    names = {each.format: each.path for each in report.files if each.precision == "float32"}
    graph = onnx.load(names["onnx"]).graph
    kinds = {node.op_type for node in graph.node}
    assert "Conv" in kinds
    assert not [kind for kind in kinds if "Dropout" in kind or "Random" in kind]
    values = {value.name: value.type.tensor_type for value in (*graph.input, *graph.output)}
    assert set(values) == {"picture", *HEADS}
    assert {value.shape.dim[0].dim_param for value in values.values()} == {"batch"}
    assert values["picture"].elem_type == onnx.TensorProto.UINT8
    details = Interpreter(str(names["litert"])).get_input_details()[0]
    assert details["dtype"] == np.uint8
    assert details["shape_signature"].tolist() == [-1, 48, 48, 1]


def test_int8_is_int8_and_float16_is_float16(report):
    import onnx
    from ai_edge_litert.interpreter import Interpreter

    for each in report.files:
        if each.format == "onnx":
            tensors = onnx.load(each.path).graph.initializer
            types = {tensor.data_type for tensor in tensors if list(tensor.dims[2:]) == [3, 3]}
            kind = {"float32": "FLOAT", "float16": "FLOAT16", "int8": "INT8"}[each.precision]
            assert types == {onnx.TensorProto.DataType.Value(kind)}
        else:
            interpreter = Interpreter(str(each.path))
            weights = [one["dtype"] for one in interpreter.get_tensor_details() if list(one["shape"][1:3]) == [3, 3]]
            assert np.dtype(each.precision).type in weights


def test_ten_crops_lie_in_the_graph_too(bundle_folder, faces, tmp_path):
    import onnx

    bundle = Bundle(bundle_folder)
    tta = TestTimeAugmentation(flip=True, crops="five")
    bundle.card = bundle.card.model_copy(update={"tta": {"tiny": tta}})
    images = faces.images[:12]
    network = model_network(bundle, "tiny")
    expected = {target: bundle.predict(images, target, model="tiny") for target in HEADS}
    close({target: np.asarray(each) for target, each in forward(network, images).items()}, expected)
    write_litert(network, tmp_path / "ten.tflite")
    close(LiteRTNetwork(tmp_path / "ten.tflite")(images), expected)
    graph = onnx_graph(network, tmp_path / "graph")
    write_onnx(network, tmp_path / "ten.onnx", graph=graph)
    close(ONNXNetwork(tmp_path / "ten.onnx")(images), expected)
    write_onnx(network, tmp_path / "small.onnx", "int8", faces.images, graph=graph)
    close(ONNXNetwork(tmp_path / "small.onnx")(images), expected, atol=0.05)
    stored = {tuple(each.dims): each.data_type for each in onnx.load(tmp_path / "small.onnx").graph.initializer}
    assert stored[48, 48] == onnx.TensorProto.FLOAT, "crops are pixels that the network was trained with"


def test_a_network_trained_in_mixed_precision_with_augmentation_inside(faces, tmp_path):
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network, _ = toy({"ferplus": 8}, 3)
        picture = keras.Input((48, 48, 1), dtype="uint8")
        seen = keras.layers.RandomFlip("horizontal")(picture)
        mixed = keras.Model(picture, network(keras.ops.cast(seen, "uint8")))
    finally:
        keras.config.set_dtype_policy("float32")
    network.save(tmp_path / "net.keras")
    source = ExportSource.of_file(tmp_path / "net.keras")
    assert source.network.output.keys() == {"ferplus"}
    assert {layer.compute_dtype for layer in source.network.layers[1].get_layer("backbone").layers} == {"float32"}
    images = faces.images[:9]
    rounded = forward(network, images)
    np.testing.assert_allclose(source.predict(images)["ferplus"], rounded, atol=0.2)
    wrapped = keras.Model(mixed.input, {"ferplus": mixed.output})
    write_onnx(wrapped, tmp_path / "net.onnx")
    close(ONNXNetwork(tmp_path / "net.onnx")(images), source.predict(images))


def test_a_file_that_says_something_else_is_removed_and_named(bundle, pictures, tmp_path):
    source = ExportSource.of_bundle(bundle, "tiny")

    def turned(images):
        return {target: np.roll(probabilities, 1, axis=1) for target, probabilities in source.predict(images).items()}

    other = dataclasses.replace(source, predict=turned)
    report = export_model(other, tmp_path, ["litert"], ["float32"], pictures, seconds=0)
    assert not list(tmp_path.glob("*.tflite"))
    content = json.loads((tmp_path / "toy-tiny.parity.json").read_text())
    assert any("largest difference" in line for line in content["files"][0]["wrong"])
    with pytest.raises(ParityError, match=r"tiny-float32\.tflite: fer: largest difference .*\n.*removed: 1 of 1"):
        report.check()


def test_every_limit_can_be_broken():
    truth = {"fer": np.tile(np.eye(7, dtype=np.float32), (100, 1))}
    labels = {"fer": np.tile(np.arange(7), 100)}
    limits = Limits(largest=0.1, mean=0.01, agreement=0.99, accuracy=0.005)
    assert violations(compare(truth, truth, labels), limits) == []
    probabilities = {"fer": truth["fer"].copy()}
    probabilities["fer"][:35] = np.roll(probabilities["fer"][:35], 1, axis=1)
    lines = violations(compare(truth, probabilities, labels), limits)
    words = ("largest difference 1", "mean difference 0.014", "same class for 95.0%", "5.00% of accuracy lost")
    assert len(lines) == len(words)
    for line, word in zip(lines, words, strict=True):
        assert word in line
    unknown = compare(truth, probabilities, {"fer": np.full(700, -1)})["fer"]
    assert (unknown.labelled, unknown.accuracy) == (0, None)
    with pytest.raises(ParityError, match="1 answers hold no numbers"):
        compare(truth, {"fer": np.where(np.arange(700)[:, None] == 3, np.nan, probabilities["fer"])}, labels)
    with pytest.raises(ParityError, match=r"answers .*\(699, 7\).*expected .*\(700, 7\)"):
        compare(truth, {"fer": probabilities["fer"][1:]}, labels)


def test_models_are_timed_in_turn(faces):
    order = []
    models = {name: lambda images, name=name: order.append((name, len(images))) for name in "ab"}
    measured = measure_latency(models, faces.images[:5], seconds=0)
    assert [each.batch for each in measured["a"]] == list(BATCHES)
    assert order.count(("a", 1)) == order.count(("b", 1)) > 0
    turns = [name for name, batch in order if batch == 32]
    assert sum(one != other for one, other in pairwise(turns)) >= 3


def test_what_cannot_be_exported_is_one_line(bundle, faces, tmp_path):
    import keras

    network = bundle.network("one")
    for write, name in ((write_litert, "x.tflite"), (write_onnx, "x.onnx")):
        with pytest.raises(DataError, match="no representative pictures"):
            write(network, tmp_path / name, "int8")
    for shape in ((48, 48, 2), (48, 32, 1), (None, None, 3)):
        strange = keras.Sequential([keras.Input(shape), keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(7)])
        with pytest.raises(DataError, match=rf"input is \(None, {', '.join(map(str, shape))}\), expected"):
            answering(strange)
    other = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(7, name="age")])
    with pytest.raises(DataError, match="outputs age, expected fer or ferplus"):
        answering(other)
    eight = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(8, name="fer")])
    with pytest.raises(DataError, match=r"output fer is \(8,\), expected 7 classes"):
        answering(eight)
    with pytest.raises(DataError, match="its input is of no known shape, expected"):
        answering(keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(7, name="fer")]))
    without = bundle.card.model_copy(
        update={"targets": {n: t.model_copy(update={"tiny": None}) for n, t in bundle.card.targets.items()}}
    )
    alone = Bundle(bundle.folder)
    alone.card = without
    with pytest.raises(DataError, match="no model 'tiny' in this bundle; it has vote"):
        model_network(alone, "tiny")
    assert not list(tmp_path.iterdir())


def test_no_file_of_ours_is_one_line(tmp_path, report):
    (tmp_path / "text.tflite").write_text("not a network")
    (tmp_path / "text.onnx").write_text("not a network")
    whole = next(each.path for each in report.files if each.format == "litert").read_bytes()
    (tmp_path / "cut.tflite").write_bytes(whole[: len(whole) // 2])
    for name in ("text.tflite", "text.onnx", "cut.tflite", "missing.tflite"):
        file = tmp_path / name
        with pytest.raises(WeightsError, match=name) as caught:
            RUNTIMES[file.suffix](file)
        assert "\n" not in str(caught.value)


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


@pytest.mark.skipif(not REAL, reason="FERKIT_TEST_DATA names no folder of real data")
def test_the_shipped_student_keeps_its_accuracy_on_real_pictures(tmp_path):
    source = ExportSource.of_bundle(load_bundle(), "tiny")
    pictures = ExportPictures.of(
        load(Fer2013Settings(path=Path(REAL))), source.targets, source.input, representative=100
    )
    report = export_model(source, tmp_path, FORMATS, PRECISIONS, pictures, seconds=0)
    report.check()
    for each in report.files:
        assert each.agreements["fer"].labelled >= 100
