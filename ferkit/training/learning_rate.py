"""The learning rate of each step, computed on the device, and of each layer.

Importing this module imports Keras.
"""

import math
from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from ferkit.training.settings import PhaseSettings

__all__ = ["Rate", "layerwise"]


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


def layerwise(kind: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """The optimizer `kind` with a learning rate of its own for each variable.

    It is the rate that is multiplied and not the gradient, to whose size Adam's steps are indifferent; weight decay,
    which is decoupled, goes by the same rate.

    Returns
    -------
    type
        With the method `set_factors`, which takes pairs of variables and factors, and those of `kind`; what has no
        factor has the rate itself.
    """
    # Under PyTorch Keras makes an instance of a faster class than the one that is called.
    plain: Any = type(kind())

    class Layerwise(plain):  # type: ignore[misc]
        weight_decay: float | None

        def set_factors(self, factors: Iterable[tuple[Any, float]]) -> None:
            self._rate_factors = {id(variable): factor for variable, factor in factors}

        def _of_one_rate(self, variables: list[Any]) -> dict[float, list[int]]:
            """Places in `variables`, by factor."""
            places: dict[float, list[int]] = {}
            for place, variable in enumerate(variables):
                places.setdefault(self._rate_factors.get(id(variable), 1.0), []).append(place)
            return places

        def _backend_update_step(self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any) -> None:
            for factor, places in self._of_one_rate(trainable_variables).items():
                some = [grads[place] for place in places], [trainable_variables[place] for place in places]
                super()._backend_update_step(*some, learning_rate * factor)

        def _apply_weight_decay(self, variables: list[Any]) -> None:
            decay: float | None = self.weight_decay
            if decay is None:
                return
            try:
                for factor, places in self._of_one_rate(variables).items():
                    # Keras multiplies it with the one learning rate that it knows.
                    self.weight_decay = decay * factor
                    super()._apply_weight_decay([variables[place] for place in places])
            finally:
                self.weight_decay = decay

    return Layerwise
