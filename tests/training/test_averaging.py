"""The moving average of the weights follows from the first step on, and has BatchNorm statistics of its own."""

import numpy as np
import pytest

from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.training.augmentation import AugmentationSettings
from ferkit.training.checkpoint import Progress
from ferkit.training.epochs import Epochs
from ferkit.training.examples import SelectionExamples, join
from ferkit.training.fine_tune import fine_tune
from tests.training.test_fine_tune import BACKBONE, LEARNER, TARGET, marked_faces, settings

STILL = AugmentationSettings(flip=0, rotation=0, shift=0, zoom=0)


def weights_of_each_step(momentum, steps=30):
    """(steps,) values of one weight that SGD moves by -1 a step, and (steps,) of its average."""
    import keras

    from ferkit.training.averaging import averaging

    optimizer = averaging(keras.optimizers.SGD)(1.0, use_ema=True, ema_momentum=momentum)
    weight = keras.Variable(0.0)
    optimizer.build([weight])
    weights, averages = [], []
    for _ in range(steps):
        optimizer.apply([keras.ops.ones(())])
        weights.append(float(weight))
        optimizer.assign_averages()
        averages.append(float(weight))
        weight.assign(weights[-1])
    return weights, averages


def test_the_average_is_that_of_tensorflow_s_moving_average_with_updates_counted():
    weights, averages = weights_of_each_step(0.7)
    expected = weights[0]
    for steps, (weight, average) in enumerate(zip(weights, averages, strict=True)):
        momentum = min(0.7, (1 + steps) / (10 + steps)) if steps else 0.0
        expected = momentum * expected + (1 - momentum) * weight
        assert average == pytest.approx(expected, rel=1e-5)
    weights, averages = weights_of_each_step(0.9995)
    # Keras' own would have come 5 % of the way.
    assert averages[-1] < 0.85 * weights[-1]


@pytest.fixture(scope="module")
def selection():
    return SelectionExamples.of(marked_faces().of_split("PublicTest"), [TARGET])


def trained(selection, **change):
    faces = marked_faces()
    chosen = settings(**{"epochs": 6, "batch_size": 16, "augmentation": STILL, "patience": 1000, **change})
    return fine_tune(
        join({"fer": oversample(faces, TARGET, BalancingSettings(), 0)}), selection, LEARNER, chosen, seed=3
    )


def test_early_epochs_are_not_judged_by_the_weights_that_training_began_with(selection):
    # 42 steps, after which Keras' own average is still 96 % the network after the first.
    history = trained(selection, average=0.999).history
    assert history["val_loss"].iloc[-1] < 0.8 * np.log(7)
    assert history["val_accuracy"].iloc[-1] > 0.5


def test_averaged_weights_have_the_statistics_of_their_own_activations(selection):
    import keras

    faces = marked_faces()
    examples = join({"fer": oversample(faces, TARGET, BalancingSettings(), 0)})
    from ferkit.backbones import build_network

    network = build_network(BACKBONE, examples.heads, seed=3)
    # One batch, so that the statistics are those of the pictures together.
    chosen = settings(average=0.9, batch_size=98, augmentation=STILL)
    epochs = Epochs(network, examples, selection, chosen, 3, "fernet")
    epochs.compile(chosen.network)
    before = [np.array(each) for each in network.get_weights()]
    _, best = epochs.run("network", chosen.network, Progress())
    learned = network.get_weights()
    assert any((one != other).any() for one, other in zip(before, learned, strict=True))
    network.set_weights(best)
    backbone = network.get_layer("backbone")
    first = backbone.get_layer("conv1_1_bn")
    seen = keras.Model(backbone.input, first.input)
    pictures = network.get_layer("preprocessing")(examples.images[..., None])
    values = keras.ops.convert_to_numpy(seen(pictures))
    np.testing.assert_allclose(np.asarray(first.moving_mean), values.mean(axis=(0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(np.asarray(first.moving_variance), values.var(axis=(0, 1, 2)), rtol=1e-3)
