"""Reading ahead in threads."""

import threading
import time

import pytest

from ferkit.data.prefetch import read_ahead


def test_reading_ahead_keeps_the_order_and_does_not_run_away():
    made = []

    def prepare(item):
        made.append(item)
        return item * 10

    ahead = read_ahead(range(100), prepare, lambda _item: 1, most=5)
    assert [next(ahead), next(ahead)] == [0, 10]
    time.sleep(0.2)
    # Two are taken, five wait, and one more may be in the making.
    assert 7 <= len(made) <= 8
    assert list(ahead) == list(range(20, 1000, 10))
    assert made == list(range(100))


def test_what_goes_wrong_while_reading_ahead_is_told_in_its_place():
    def prepare(item):
        return 1 // (3 - item)

    ahead = read_ahead(range(9), prepare, lambda _item: 1, most=100)
    assert [next(ahead), next(ahead), next(ahead)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(ahead)


def test_reading_ahead_ends_with_whoever_takes():
    ahead = read_ahead(iter(int, 1), lambda item: item, lambda _item: 1, most=3)
    next(ahead)
    ahead.close()
    end = time.monotonic() + 20
    while any(thread.name == "read-ahead" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)
