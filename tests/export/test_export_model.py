"""Export: every format and precision says what Keras says, a file that does not is refused, LiteRT answers alone."""

import dataclasses
import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ferkit.bundles.bundle import Bundle, load_bundle
from ferkit.bundles.parity import compare, violations
from ferkit.data.input_card import InputCard
from ferkit.data.labels import class_names
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError, WeightsError
from ferkit.export import (
    LIMITS,
    ExportPictures,
    ExportSource,
    Limits,
    LiteRTNetwork,
    ONNXNetwork,
    ParityError,
    export_model,
    onnx_graph,
    write_litert,
    write_onnx,
)
from ferkit.export.graph import answering, model_network
from ferkit.export.latency import BATCHES, measure_latency
from ferkit.models.face_model import forward
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.sources import Fer2013Settings, load
from tests.toys.export import HEADS, toy

ROOT = Path(__file__).parents[2]
FORMATS, PRECISIONS = ("onnx", "litert"), ("float32", "float16", "int8")
RUNTIMES = {".onnx": ONNXNetwork, ".tflite": LiteRTNetwork}
# Networks that were not trained are unsure, so a small difference turns more of their decisions.
UNTRAINED = {**LIMITS, "int8": dataclasses.replace(LIMITS["int8"], agreement=0.85, accuracy=1.0)}
REAL = os.environ.get("FERKIT_TEST_DATA")


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
