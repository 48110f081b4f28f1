"""The scripts that measure: what they count, and that each prints its table."""

from pathlib import Path

import keras
import numpy as np
import pytest

from ferkit.backbones import BackboneSettings, build_network
from ferkit.bundles.bundle import Bundle, load_bundle
from ferkit.experiments.cells import load_experiment
from ferkit.sources import SyntheticSettings, load
from tests.toys.benchmarks import run
from tests.toys.bundle import write_toy_bundle

# isort: split
# Not before tests.toys.benchmarks, which says where they are.
import experiments
import litert_precisions
import training_loops
import training_speed
import vote_answers
from floating_point import Peak, forward_operations, matrix_peak

LOOP = {"backbone": "fernet", "width": 4, "depth": 1, "precision": "float32", "batch_size": 4, "steps": 2}


# Operations


def test_operations_of_each_kind_of_layer() -> None:
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((8, 8, 4)),
            layers.Conv2D(6, 3, padding="same", strides=2),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3, padding="valid", depth_multiplier=2),
            layers.SeparableConv2D(5, 2, padding="same"),
            layers.Conv2D(10, 1, groups=5),
            layers.Flatten(),
            layers.Dense(7),
        ]
    )
    multiplications = (
        4 * 4 * (3 * 3 * 4) * 6
        + 2 * 2 * (3 * 3) * (6 * 2)
        + 2 * 2 * ((2 * 2) * 12 + 12 * 5)
        + 2 * 2 * (1 * 10)
        + (2 * 2 * 10) * 7
    )
    assert forward_operations(network) == 2 * multiplications
    inside = keras.Sequential([keras.Input((8, 8, 4)), network, layers.Dense(3)])
    assert forward_operations(inside) == 2 * (multiplications + 7 * 3)


def test_operations_of_mobilenet_are_the_published_ones() -> None:
    # Howard et al. 2017, arXiv:1704.04861, table 4: 569 million multiplications and additions at 224x224.
    network = keras.applications.MobileNet((224, 224, 3), weights=None)
    assert forward_operations(network) / 2e6 == pytest.approx(569, abs=1)


def test_a_layer_that_cannot_be_counted_is_named() -> None:
    network = keras.Sequential(
        [keras.Input((8, 8, 4)), keras.layers.Conv2DTranspose(2, 3), keras.layers.LSTMCell(2)][:2]
    )
    with pytest.raises(TypeError, match="Conv2DTranspose"):
        forward_operations(network)


def test_the_peak_is_that_of_matrix_products() -> None:
    # Between a processor of the last century and any device there is.
    peak = matrix_peak("float32", 64, seconds=0.01)
    assert 1e6 < peak.clock < 1e17
    assert 1e6 < peak.processor < 1e17


# Training loops


@pytest.mark.parametrize("input_size", [48, 32])
def test_both_loops_train_the_same_network(input_size: int, tmp_path: Path) -> None:
    loop = training_loops.Loop(kind="ours", input_size=input_size, **LOOP)
    train, infer, ours = training_loops.ours(loop, tmp_path)
    before = ours.get_weights()
    assert train() > 0
    assert infer() > 0
    assert not np.array_equal(before[0], ours.get_weights()[0])
    train, infer, plain = training_loops.yardstick(loop, tmp_path)
    before = plain.get_weights()
    assert train() > 0
    assert infer() > 0
    assert not np.array_equal(before[0], plain.get_weights()[0])
    assert [weight.shape for weight in ours.weights] == [weight.shape for weight in plain.weights]
    assert forward_operations(ours) == forward_operations(plain)
    # The files that flow_from_directory reads: none for 48x48 grey pictures.
    assert len(list(tmp_path.glob("*/*.png"))) == (0 if input_size == 48 else loop.pictures)


def test_the_yardstick_sees_what_our_network_sees(tmp_path: Path) -> None:
    """Without its augmentation, the picture that the host prepares is the one that our layers prepare."""
    settings = BackboneSettings(name="fernet", width=4, input_size=48, weights="none")
    loop = training_loops.Loop(kind="yardstick", input_size=48, **LOOP)
    images, _ = training_loops.examples(loop)
    network = build_network(settings, {"fer": 7}, seed=0)
    prepared = keras.Model(network.input, network.get_layer("preprocessing").output).predict(images, verbose=0)
    card = settings.card.preprocessing
    host = training_loops.generator(card, still=True).flow(images[..., None], shuffle=False, batch_size=len(images))
    assert next(host) == pytest.approx(prepared, abs=1e-4)


def test_training_speed_prints_a_row_for_a_backbone() -> None:
    done = run(
        "benchmarks/training_speed.py", "--backbone", "fernet", "--width", "4", "--depth", "1",
        "--input-size", "32", "--batch-size", "4", "--steps", "2", "--rounds", "1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("| fernet")).split("|")[1:-1]
    cells = [cell.strip().replace(",", "") for cell in row]
    assert cells[:2] == ["fernet", "32"]
    assert cells[2] in ("float32", "mixed_bfloat16")
    trained, plain, ratio = (float(cell) for cell in cells[4:7])
    assert ratio == pytest.approx(trained / plain, rel=0.1)
    # Of the peak, by the clock and of processor time: ours, and the yardstick's.
    for shares in cells[10:12]:
        assert all(int(each) >= 0 for each in shares.replace("%", "").split("/"))
    assert "Gflop/s in bfloat16" in done.stdout


def test_a_share_is_of_the_peak_of_its_own_round() -> None:
    rates = [(10.0, 4.0), (20.0, 8.0), (5.0, 2.0)]
    peaks = [Peak(1000.0, 500.0), Peak(2000.0, 1000.0), Peak(400.0, 160.0)]
    assert training_speed.share(50, rates, peaks) == (0.5, 0.4)


def test_streaming_prints_a_row_for_each_count() -> None:
    done = run("benchmarks/streaming.py", "--counts", "40", "--side", "48", "--colour", "grey", "--trained", "64")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert set(rows) == {"pictures", "40", "Memory"}
    # Three rates by the clock and of one processor, four peaks that only rise; no batches alone from memory.
    assert len(rows["40"]) == 10
    peaks = [float(cell.replace(",", "")) for cell in rows["40"][-4:]]
    assert peaks == sorted(peaks)
    assert len(rows["Memory"]) == 7


# Experiments

SAID = """
23:59:58  s0, seed 0 | run 1 of 2
23:59:58  s0, seed 0 | ingest ... on 192.0.2.2-e8a4
00:00:02  s0, seed 0 | ingest took 4.0s
00:00:02  s0, seed 0 | fine_tune_fer_fernet ... on 192.0.2.2-e8a4
00:00:03  s1, seed 0 | ingest is unchanged: cached
00:00:04  s1, seed 0 | fine_tune_fer_fernet ... on 192.0.2.2-8f60
00:00:10  s0, seed 0 | fine_tune_fer_fernet took 8.0s
00:00:12  s1, seed 0 | fine_tune_fer_fernet took 8.0s
"""


def test_the_ideal_of_a_cluster_is_what_cells_share_and_the_rest_without_a_gap() -> None:
    found = experiments.occupancy(SAID.splitlines())
    assert found == experiments.Occupancy(span=14, busy=20, shared=4)
    assert found.ratio(2) == pytest.approx(14 / (4 + 16 / 2))


def test_cells_of_the_measured_experiment_differ_in_their_training_alone(tmp_path: Path) -> None:
    cells = load_experiment(experiments.write_experiment(tmp_path, 3)).cells
    assert [cell.configs[0].training.label_smoothing for cell in cells] == [0, 0.01, 0.02]
    assert [cell.name for cell in load_experiment(experiments.write_experiment(tmp_path, 2)).cells] == ["s0", "s1"]


def test_a_cell_costs_over_its_training_what_lies_between_that_and_the_next() -> None:
    # The first one takes four seconds, as one that imports TensorFlow does, and is in neither mean.
    assert experiments.over_trainings([(5, 9), (11, 12), (15, 16.5)]) == (1.25, 2.5)


# Precisions


def test_every_precision_of_a_network_is_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ferkit.export.latency._MOST", 2)
    toys = Bundle(write_toy_bundle(tmp_path))
    monkeypatch.setattr(litert_precisions, "load_bundle", lambda: toys)
    header, *rows = litert_precisions.measured(load(SyntheticSettings(count=200)), "student", 4)
    assert [each.split(" | ")[0] for each in rows] == [f"| {each}" for each in litert_precisions.PRECISIONS]
    assert {each.count("|") for each in (*header.splitlines(), *rows)} == {9}
    assert rows[0].split(" | ")[2] == "100.00%"


# Answers of the vote


def test_the_kept_answers_of_the_vote_have_the_form_that_the_script_writes() -> None:
    faces = load(SyntheticSettings(count=300))
    made = vote_answers.predict_splits(load_bundle(), faces, 1)
    with np.load(vote_answers.ANSWERS) as kept:
        assert set(kept) == set(made)
        for name, array in made.items():
            assert (kept[name].dtype, kept[name].shape[1:]) == (array.dtype, array.shape[1:])
            if array.ndim == 2:
                np.testing.assert_allclose(kept[name].astype(np.float64).sum(axis=1), 1, atol=4e-3)
        assert len(kept["row Training"]) == len(kept["Training fer+ferplus-fernet_wide fer"]) == 28_709
        assert len(kept["row PublicTest"]) == 3_589
