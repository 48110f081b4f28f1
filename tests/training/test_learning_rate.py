import math

import keras
import numpy as np
import pytest

from ferkit.training.learning_rate import Rate
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
