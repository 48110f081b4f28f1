"""Optimizers that keep a moving average of the weights, which follows quickly as long as little has been learned.

Importing this module imports Keras.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

__all__ = ["averaging"]


def averaging(kind: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """The optimizer `kind` with an average whose momentum warms up; to be made with ``use_ema=True``.

    With Keras' fixed momentum m the weights after the first step are m^n of the average after n steps: 41 % after 449
    steps of 0.998. Here the momentum of step n + 1 is the smaller of m and (1 + n) / (10 + n), as in TensorFlow's
    ``ExponentialMovingAverage(num_updates=n)``, so that the average spans about the last ninth of the steps until that
    is as long as m spans. Dividing by 1 - m^n as Adam does would make it the plain mean of every step at first, most of
    which are far behind.

    Returns
    -------
    type
        With the methods `assign_averages`, which gives the variables their averages, and those of `kind`.
    """
    # Under PyTorch Keras makes an instance of a faster class than the one that is called.
    plain: Any = type(kind())

    class Averaging(plain):  # type: ignore[misc]
        @property
        def ema_momentum(self) -> Any:
            steps = ops.cast(self.iterations, "float32")
            return ops.minimum(self._ema_limit, (1 + steps) / (10 + steps))

        @ema_momentum.setter
        def ema_momentum(self, limit: float) -> None:
            self._ema_limit = np.float32(limit)

        def assign_averages(self) -> None:
            """Give each variable that learns the value of its average."""
            for variable, average in zip(self._trainable_variables, self._model_variables_moving_average, strict=True):
                variable.assign(ops.convert_to_numpy(average))

    return Averaging
