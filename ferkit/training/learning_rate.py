"""The learning rate of each step, computed on the device.

Importing this module imports Keras.
"""

import math
from typing import Any

import keras
from keras import ops

from ferkit.training.settings import PhaseSettings

__all__ = ["Rate"]


class Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Learning rate of `phase` by the step of its optimizer; no step has a rate of zero.

    A part of the compiled step: a value that a callback assigns between two steps never reaches JAX.

    Parameters
    ----------
    phase
        Peak, schedule and warm-up.
    steps
        Of one epoch.
    """

    def __init__(self, phase: PhaseSettings, steps: int) -> None:
        self._phase, self._steps = phase, steps
        self._factor: Any = None

    def attach(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Keep what the plateau makes of the rate among the variables of `optimizer`, which is to follow this one."""
        self._factor = optimizer.add_variable((), initializer="ones", name="rate_factor")

    def set_factor(self, factor: float) -> None:
        """From now on the rate is `factor` times that of the phase."""
        self._factor.assign(factor)

    def __call__(self, step: Any) -> Any:
        """Scalar float32 for the whole number `step`, counted from the first of the phase."""
        phase = self._phase
        # Half way through the step, so that neither warm-up nor cosine begins or ends at zero.
        epoch = (ops.cast(step, "float32") + 0.5) / self._steps
        share = ops.ones_like(epoch)
        if phase.schedule == "cosine":
            span = max(phase.epochs - phase.warmup_epochs, 1e-9)
            share = 0.5 * (1 + ops.cos(math.pi * ops.clip((epoch - phase.warmup_epochs) / span, 0.0, 1.0)))
        if phase.warmup_epochs:
            share = ops.where(epoch < phase.warmup_epochs, epoch / phase.warmup_epochs, share)
        return phase.learning_rate * share * self._factor
