"""What `fit` and `predict` are handed: every example once, in order, and nothing that outlives it."""

import os
import subprocess
import sys

import numpy as np

from ferkit.models.keras_input import array_input, batch_input

PICTURES = np.arange(7 * 4, dtype=np.uint8).reshape(7, 2, 2)


class Pairs:
    """Batches of two arrays, and how often each was asked for."""

    def __init__(self):
        self.read = []

    def __len__(self):
        return 3

    def __getitem__(self, batch):
        self.read.append(batch)
        at = np.arange(batch * 2, min(batch * 2 + 2, 5), dtype=np.int32)
        return ((at, PICTURES[at]),)


def test_an_array_comes_in_its_order_and_the_last_batch_is_what_is_left():
    batches = list(array_input(PICTURES, 3)["x"].as_numpy_iterator())
    assert [len(each) for each in batches] == [3, 3, 1]
    assert {each.dtype for each in batches} == {PICTURES.dtype}
    np.testing.assert_array_equal(np.concatenate(batches), PICTURES)


def test_batches_are_asked_for_once_in_order():
    pairs = Pairs()
    dataset = batch_input(pairs, [((), "int32"), ((2, 2), "uint8")])["x"]
    assert dataset.cardinality() == 3
    found = list(dataset.as_numpy_iterator())
    assert pairs.read == [0, 1, 2]
    np.testing.assert_array_equal(np.concatenate([at for ((at, _),) in found]), np.arange(5))
    np.testing.assert_array_equal(np.concatenate([pictures for ((_, pictures),) in found]), PICTURES[:5])


def test_no_thread_tunes_the_pipeline():
    """It can keep whoever ends an epoch waiting for a minute."""
    for made in (array_input(PICTURES, 3), batch_input(Pairs(), [((), "int32"), ((2, 2), "uint8")])):
        assert made["x"].options().autotune.enabled is False


OTHER = """
import numpy as np
from ferkit.models.keras_input import array_input, batch_input
array, batches = np.zeros(4), [((np.zeros(2),),)]
made = array_input(array, 2)
assert made["x"] is array and made["batch_size"] == 2
assert batch_input(batches, [])["x"] is batches
"""


def test_other_backends_take_arrays_and_batches_as_they_are():
    subprocess.run([sys.executable, "-c", OTHER], env={**os.environ, "KERAS_BACKEND": "jax"}, check=True)
