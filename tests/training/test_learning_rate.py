import math

import keras
import numpy as np
import pytest

from ferkit.backbones import BackboneSettings, build_network
from ferkit.backbones.layer_depths import layer_depths
from ferkit.training.averaging import averaging
from ferkit.training.learning_rate import Rate, layerwise
from ferkit.training.settings import PhaseSettings

STEPS = 10


def rates(**chosen):
    phase = PhaseSettings(learning_rate=0.2, **chosen)
    rate = Rate(phase, STEPS)
    optimizer = keras.optimizers.SGD(rate)
    rate.attach(optimizer)
    return rate, np.array([float(rate(step)) for step in range(STEPS * phase.epochs)])


def test_warm_up_rises_and_the_cosine_falls_and_no_step_has_a_rate_of_zero():
    _, found = rates(epochs=4, schedule="cosine", warmup_epochs=1)
    np.testing.assert_allclose(found[:STEPS], 0.2 * (np.arange(STEPS) + 0.5) / STEPS, rtol=1e-5)
    falling = [0.1 * (1 + math.cos(math.pi * (step + 0.5) / 30)) for step in range(30)]
    np.testing.assert_allclose(found[STEPS:], falling, rtol=1e-4)
    assert found.min() > 0


def test_a_part_of_an_epoch_may_be_warm_up():
    _, found = rates(epochs=1, warmup_epochs=0.5)
    np.testing.assert_allclose(found, [0.02, 0.06, 0.1, 0.14, 0.18, *[0.2] * 5], rtol=1e-5)


def test_the_plateau_lowers_what_the_schedule_says():
    rate, found = rates(epochs=1, schedule="plateau")
    np.testing.assert_allclose(found, 0.2, rtol=1e-6)
    rate.set_factor(0.25)
    assert float(rate(3)) == pytest.approx(0.05)


@pytest.mark.parametrize("kind", [keras.optimizers.AdamW, keras.optimizers.Adam, keras.optimizers.SGD])
@pytest.mark.parametrize("averages", [False, True])
def test_a_variable_learns_and_decays_at_its_own_rate(kind, averages):
    made = averaging(layerwise(kind)) if averages else layerwise(kind)
    slow, quick, frozen_out = (keras.Variable([1.0, -1.0]) for _ in range(3))
    optimizer = made(0.1, weight_decay=0.5, **({"use_ema": True} if averages else {}))
    optimizer.build([slow, quick, frozen_out])
    optimizer.set_factors([(slow, 0.25), (frozen_out, 0.0)])
    optimizer.apply([keras.ops.convert_to_tensor([3.0, 0.0])] * 3)
    moved = np.asarray(slow.numpy()) - [1, -1], np.asarray(quick.numpy()) - [1, -1]
    # Where the gradient is 0, what is left is the decay: 0.1 * 0.5.
    assert moved[1][1] == pytest.approx(0.05, rel=1e-4)
    assert moved[1][0] < -0.1
    np.testing.assert_allclose(moved[0], 0.25 * moved[1], rtol=1e-4)
    np.testing.assert_array_equal(frozen_out.numpy(), [1, -1])
    assert optimizer.weight_decay == 0.5


def test_depths_count_the_stages_of_a_backbone_from_the_top():
    network = build_network(BackboneSettings(name="dlib_resnet", weights="none"), {"fer": 7}, seed=0)
    depths = {layer.name: depth for layer, depth in layer_depths(network)}
    named = ("stem_conv", "stem_bn", "stage1_block1_1_conv", "stage2_block1_1_conv", "stage2_block4_2_bn",
             "stage4_block2_1_conv", "stage5_block1_2_conv")  # fmt: skip
    assert [depths[name] for name in named] == [6, 6, 5, 4, 4, 2, 1]
    assert len(depths) == 58
