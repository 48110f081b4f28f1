"""Several training steps for each call from Python, under JAX.

Keras calls JAX once a step whatever its ``steps_per_execution``; on a GPU that call takes longer than the step of a
small network. Importing this module imports JAX.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import jax

__all__ = ["several_steps"]

_Step = Callable[[Any, Any], tuple[Any, Any]]


def several_steps(step: _Step, count: int) -> Callable[[Any, Iterator[Any]], tuple[Any, Any]]:
    """What ``keras.Model.train_function`` is: take up to `count` batches of an iterator and learn from each.

    Parameters
    ----------
    step
        From state and batch to logs and state. It is compiled as it is, and `count` times in a row as one program.
    count
        Batches for each call; what is left of an epoch, and a batch that is smaller than the others, goes one by one.
    """
    one = jax.jit(step, donate_argnums=0)

    def in_a_row(state: Any, batches: list[Any]) -> tuple[Any, Any]:
        def learn(state: Any, batch: Any) -> tuple[Any, Any]:
            logs, state = step(state, batch)
            return state, logs

        # Within the program: on a GPU the batches are on the device already.
        stacked = jax.tree.map(lambda *same: jax.numpy.stack(same), *batches)
        state, logs = jax.lax.scan(learn, state, stacked)
        return jax.tree.map(lambda each: each[-1], logs), state

    several = jax.jit(in_a_row, donate_argnums=0)

    def train(state: Any, iterator: Iterator[Any]) -> tuple[Any, Any]:
        batches = list(islice(iterator, count))
        if not batches:
            raise StopIteration
        if len(batches) == count and len({_shapes(each) for each in batches}) == 1:
            logs, state = several(state, batches)
            return logs, state
        logs = None
        for batch in batches:
            logs, state = one(state, batch)
        return logs, state

    return train


def _shapes(batch: Any) -> tuple[Any, ...]:
    return tuple(each.shape for each in jax.tree.leaves(batch))
