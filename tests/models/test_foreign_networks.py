"""`--model` with networks that ferkit did not make: one line says what they have, and what was expected."""

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ferkit.backbones import BackboneSettings, build_network
from ferkit.cli.model_choice import choose_model
from ferkit.data.input_card import InputCard
from ferkit.data.labels import FER_EMOTIONS, FERPLUS_EMOTIONS
from ferkit.errors import FerkitError
from ferkit.inference.predictor import Predictor
from ferkit.models.network_file import load_network

PICTURE = np.full((48, 48, 3), 90, np.uint8)


def _problem(file: Path, target="fer") -> str:
    """The one line that asking the network in `file` ends in."""
    with pytest.raises(FerkitError) as caught:
        _predict(file, target)
    line = str(caught.value)
    assert "\n" not in line
    # Where the test lies is no fault of the message.
    assert len(line.replace(f"{file.parent}/", "")) < 300, "nobody reads a line that long"
    assert line.startswith(f"{file}: ")
    return line.removeprefix(f"{file}: ")


def _predict(file: Path, target="fer"):
    chosen = choose_model(str(file), target)
    return Predictor(chosen.classify, chosen.classes, detector=None).predict(PICTURE)


@pytest.fixture
def saved(tmp_path):
    """Write a network of these layers, behind an input of the given shape."""
    import keras

    def save(*layers, shape=(48, 48, 1), name="net.keras"):
        given = [keras.Input(shape)] if shape else []
        keras.Sequential([*given, *layers]).save(tmp_path / name)
        return tmp_path / name

    yield save
    keras.saving.get_custom_objects().pop("tests>Attention", None)


def _head(classes: int, activation: str = "softmax"):
    from keras import layers

    return layers.GlobalAveragePooling2D(), layers.Dense(classes, activation=activation)


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((64, 64, 1), "and keras.layers.Resizing(64, 64) in front"),
        ((48, 48, 3), "and keras.layers.Concatenate()([grey] * 3) in front"),
        ((224, 224, 3), "and keras.layers.Resizing(224, 224) and keras.layers.Concatenate()([grey] * 3) in front"),
    ],
)
def test_another_input(saved, shape, advice):
    line = _problem(saved(*_head(7), shape=shape))
    assert line.startswith(f"its input is {shape}, expected one grey picture, (48, 48, 1).")
    assert advice in line


def test_an_input_of_any_size_is_one_of_48_pixels(saved):
    (face,) = _predict(saved(*_head(7), shape=(None, None, 1)))
    assert face.probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_no_input_that_is_known(saved):
    assert "has no input of a known shape, expected one grey picture, (48, 48, 1)" in _problem(
        saved(*_head(7), shape=())
    )


def test_several_inputs_or_outputs(tmp_path):
    import keras

    one, two = keras.Input((48, 48, 1)), keras.Input((3,))
    flat = keras.layers.GlobalAveragePooling2D()(one)
    dense = keras.layers.Dense(7, activation="softmax")
    keras.Model([one, two], dense(keras.layers.Concatenate()([flat, two]))).save(tmp_path / "in.keras")
    assert _problem(tmp_path / "in.keras").startswith("has 2 inputs, (48, 48, 1), (3,); expected one grey picture")
    keras.Model(one, [keras.layers.Dense(7)(flat), keras.layers.Dense(2)(flat)]).save(tmp_path / "out.keras")
    assert _problem(tmp_path / "out.keras").startswith("has 2 outputs, (7,), (2,); expected 7 probabilities")
    keras.Model(one, {"age": keras.layers.Dense(7)(flat)}).save(tmp_path / "named.keras")
    assert _problem(tmp_path / "named.keras") == "has outputs age, but none for the target fer."


@pytest.mark.parametrize(
    ("classes", "target", "message"),
    [
        (8, "fer", f"has 8 values a picture, expected 7 probabilities, one for each of {', '.join(FER_EMOTIONS)}."),
        (7, "ferplus", f"expected 8 probabilities, one for each of {', '.join(FERPLUS_EMOTIONS)}."),
        (1, "fer", "has 1 values a picture, expected 7 probabilities"),
        (1000, "fer", "has 1000 values a picture, expected 7 probabilities"),
    ],
)
def test_another_number_of_classes(saved, classes, target, message):
    line = _problem(saved(*_head(classes)), target)
    assert message in line
    other = {7: "fer", 8: "ferplus"}.get(classes)
    assert line.endswith(f"give --target {other}." if other else f"{FER_EMOTIONS[-1]}.")


def test_a_map_is_no_answer(saved):
    from keras import layers

    assert "has an output of shape (48, 48, 7), expected 7 probabilities" in _problem(saved(layers.Conv2D(7, 1)))


def test_logits(saved):
    file = saved(*_head(7, "linear"))
    with pytest.raises(FerkitError, match=r"expected probabilities, which sum to 1\. If these are logits"):
        _predict(file)


def test_lambda_layers_are_named_and_not_run(saved):
    from keras import layers

    line = _problem(saved(layers.Lambda(lambda x: x / 255, name="to_unit"), *_head(7)))
    assert line.startswith("has Lambda layers (to_unit), Python code within a file, which is never run.")


def test_layers_that_keras_does_not_know_are_named(saved):
    import keras

    @keras.saving.register_keras_serializable("tests")
    class Attention(keras.layers.Layer):
        def call(self, x):
            return x

    file = saved(Attention(), *_head(7))
    keras.saving.get_custom_objects().pop("tests>Attention")
    assert _problem(file).startswith("has layers that Keras does not know (Attention), expected Keras' own.")


def test_what_is_damaged(saved, tmp_path):
    file = saved(*_head(7))
    with zipfile.ZipFile(file) as whole, zipfile.ZipFile(tmp_path / "damaged.keras", "w") as damaged:
        for name in whole.namelist():
            damaged.writestr(name, whole.read(name)[: 100 if name.endswith("h5") else None])
    assert _problem(tmp_path / "damaged.keras").startswith("Keras cannot read it (")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as other:
        other.writestr("notes.txt", "no network")
    with pytest.raises(FerkitError, match=r"other\.keras is no \.keras archive, or was damaged"):
        choose_model(str(tmp_path / "other.keras"), "fer")


def test_a_network_in_hdf5_says_how_to_save_it_anew(tmp_path):
    file = tmp_path / "net.h5"
    file.write_bytes(b"\x89HDF\r\n\x1a\n")
    line = _problem(file)
    assert line.startswith("a network in HDF5, expected .keras.")
    assert f"keras.models.load_model({str(file)!r}).save({str(file.with_suffix('.keras'))!r})" in line
    (tmp_path / "net.onnx").touch()
    assert _problem(tmp_path / "net.onnx").startswith(
        "not a model that is read, expected vote, default, tiny, FILE.keras"
    )


def test_what_ferkit_supposes_of_a_network_is_told_once(saved, caplog):
    file = saved(*_head(7))
    chosen = choose_model(str(file), "fer")
    for _ in range(2):
        assert chosen.classify(np.zeros((1, 48, 48), np.uint8)).shape == (1, 7)
    (message,) = [record.getMessage() for record in caplog.records if record.name.startswith("ferkit")]
    assert "it is given grey values 0..255" in message
    assert ", ".join(FER_EMOTIONS) in message


def test_a_network_that_ferkit_trained_gets_the_pictures_that_it_was_trained_on(tmp_path):
    build_network(
        BackboneSettings(name="fernet", width=4, depth=1, input_size=16), {"fer": 7}, seed=0, picture=(64, 64, 3)
    ).save(tmp_path / "trained.keras")
    chosen = choose_model(str(tmp_path / "trained.keras"), None)
    assert (chosen.input, chosen.target) == (InputCard(size=64, colour=True), "fer")
    (face,) = Predictor(chosen.classify, chosen.classes, None, chosen.input).predict(PICTURE)
    assert face.emotion in FER_EMOTIONS
    with pytest.raises(FerkitError, match=r"a \.keras file does not name the classes of mood, a bundle does"):
        choose_model(str(tmp_path / "trained.keras"), "mood")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out8", "has 8 values a picture, expected 7 probabilities .*give --target ferplus"),
        ("binary", "has 1 values a picture, expected 7 probabilities"),
        ("logits", "expected probabilities, which sum to 1"),
        ("s64", r"its input is \(64, 64, 1\), expected one grey picture, \(48, 48, 1\)"),
    ],
)
def test_what_people_had(cases, name, message):
    file = cases / "models" / f"{name}.keras"
    with pytest.raises(FerkitError) as caught:
        _predict(file)
    assert re.search(message.replace(" .*", ".*"), str(caught.value))
    if name == "out8":
        (face,) = _predict(file, "ferplus")
        assert face.probabilities.shape == (8,)
        assert load_network(file).output.shape == (None, 8)
