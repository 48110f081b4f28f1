"""Requests that wait are answered together; no one waits for nothing, and errors stay with their own."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from ferkit.serving.client import GoneError
from ferkit.serving.errors import BusyError
from ferkit.serving.model.batcher import Batcher


@dataclass(frozen=True)
class Mean:
    """Answers (mean, mean) of each picture, once `gate` is open; a picture that is all 13 is an accident."""

    name: str = "mean"
    gate: threading.Event = field(default_factory=threading.Event, compare=False)
    began: threading.Event = field(default_factory=threading.Event, compare=False)
    seen: list = field(default_factory=list, compare=False)

    def __call__(self, images, /):
        self.began.set()
        assert self.gate.wait(20)
        self.seen.append(images[:, 0, 0].tolist())
        if (images == 13).all(axis=(1, 2)).any():
            raise ZeroDivisionError("13")
        return np.repeat(images.mean(axis=(1, 2))[:, None], 2, axis=1)


def pictures(*values):
    return np.stack([np.full((48, 48), value, np.uint8) for value in values])


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def open_batcher(request, **options):
    # Networks that wait for a gate are slow, and what a batch holds must not depend on that.
    batcher = Batcher(**{"batch_seconds": 1000, **options})
    request.addfinalizer(batcher.close)
    return batcher


def behind(batcher, mean, crowd, *jobs):
    """Answers to `jobs`, which all wait, in this order, behind one that keeps the network busy."""
    first = crowd.submit(batcher.predict, mean, pictures(0))
    until(mean.began.is_set)
    waiting, submitted = 0, []
    for classifier, images in jobs:
        submitted.append(crowd.submit(batcher.predict, classifier, images))
        waiting += len(images)
        until(lambda total=waiting: batcher.waiting == total)
    return first, submitted


def test_what_waits_is_answered_together_and_each_gets_its_own(crowd, request):
    sizes = []
    batcher = open_batcher(request, on_batch=lambda count, _seconds: sizes.append(count))
    mean = Mean()
    jobs = [
        (mean, pictures(*range(start, start + 3))) for start in range(10, 40, 3) if 13 not in range(start, start + 3)
    ]
    first, submitted = behind(batcher, mean, crowd, *jobs)
    mean.gate.set()
    for (_, images), future in zip(jobs, submitted, strict=True):
        np.testing.assert_array_equal(future.result(20)[:, 0], images[:, 0, 0])
    assert first.result(20).tolist() == [[0, 0]]
    until(lambda: len(sizes) == 2)
    assert sizes == [1, 27], "one batch of all who waited"


def test_each_request_has_its_share_of_a_batch_and_small_ones_leave_theirs_to_large_ones(crowd, request):
    batcher, mean = open_batcher(request, most_batch=4), Mean()
    jobs = [(mean, pictures(*values)) for values in (tuple(range(100, 110)), (1, 2, 3), (4,), (5, 6))]
    _, submitted = behind(batcher, mean, crowd, *jobs)
    mean.gate.set()
    assert [future.result(20)[:, 0].tolist() for future in submitted] == [job[1][:, 0, 0].tolist() for job in jobs]
    assert mean.seen == [[0], [100, 1, 4, 5], [101, 102, 2, 6], [103, 104, 105, 3], [106, 107, 108, 109]]


def test_more_requests_than_fit_into_a_batch_take_turns(crowd, request):
    batcher, one = open_batcher(request, most_batch=2), Mean("one")
    other = Mean("other", one.gate, seen=one.seen)
    jobs = [(one, pictures(1, 11)), (one, pictures(2, 12)), (one, pictures(3)), (other, pictures(4))]
    _, submitted = behind(batcher, one, crowd, *jobs)
    one.gate.set()
    for (_, images), future in zip(jobs, submitted, strict=True):
        np.testing.assert_array_equal(future.result(20)[:, 0], images[:, 0, 0])
    assert one.seen == [[0], [1, 2], [3, 11], [4], [12]]


def test_a_slow_network_sees_few_pictures_at_once(request):
    sizes = []
    batcher = open_batcher(request, batch_seconds=0.05, on_batch=lambda count, _seconds: sizes.append(count))

    def slow(images, /):
        time.sleep(0.01 * len(images))
        return np.zeros((len(images), 2))

    batcher.meet(slow, pictures(0))
    assert len(batcher.predict(slow, pictures(*range(40)))) == 40
    assert max(sizes) <= 5


def test_who_would_be_delayed_too_long_is_refused_at_once_and_a_small_request_is_not(crowd, request):
    batcher, gate = open_batcher(request, patience_seconds=5, batch_seconds=0.01), threading.Event()

    def slow(images, /):
        time.sleep(0.02 * len(images))
        assert gate.wait(20)
        return np.zeros((len(images), 2))

    gate.set()
    batcher.meet(slow, pictures(0))
    gate.clear()
    # It takes longer than anybody has patience, but nobody else is there.
    left = threading.Event()
    large = crowd.submit(batcher.predict, slow, pictures(*[1] * 1000), left.is_set)
    until(lambda: batcher.waiting == 999)
    with pytest.raises(BusyError, match="too many to read 1,000 beside them"):
        batcher.predict(slow, pictures(*[2] * 1000))
    small = crowd.submit(batcher.predict, slow, pictures(3))
    until(lambda: batcher.waiting == 1000)
    gate.set()
    assert len(small.result(20)) == 1
    assert not large.done()
    left.set()
    with pytest.raises(GoneError):
        large.result(20)


def test_a_request_alone_is_answered_however_long_it_takes(request):
    batcher = open_batcher(request, patience_seconds=0.2, batch_seconds=0.001)

    def slow(images, /):
        time.sleep(0.01)
        return np.zeros((len(images), 2))

    batcher.meet(slow, pictures(0))
    assert len(batcher.predict(slow, pictures(*range(60)))) == 60, "three times its patience, but never without a sign"


def test_a_client_that_leaves_frees_the_network(crowd, request):
    batcher, mean = open_batcher(request, most_batch=2), Mean()
    left = threading.Event()
    large = crowd.submit(batcher.predict, mean, pictures(*range(20, 60)), left.is_set)
    until(mean.began.is_set)
    assert batcher.waiting == 38
    left.set()
    with pytest.raises(GoneError):
        large.result(20)
    assert batcher.waiting == 0
    mean.gate.set()
    assert batcher.predict(mean, pictures(2))[0, 0] == 2
    assert mean.seen == [[20, 21], [2]]


def test_only_the_same_question_is_asked_together(crowd, request):
    batcher, one = open_batcher(request), Mean("one")
    other = Mean("other", one.gate, seen=one.seen)
    jobs = [(one, pictures(1)), (other, pictures(2)), (one, pictures(3)), (other, pictures(4))]
    _, submitted = behind(batcher, one, crowd, *jobs)
    one.gate.set()
    assert [future.result(20)[0, 0] for future in submitted] == [1, 2, 3, 4]
    assert one.seen == [[0], [1, 3], [2, 4]]


def test_an_error_reaches_its_own_request_alone(crowd, request):
    batcher, mean = open_batcher(request), Mean()
    _, submitted = behind(batcher, mean, crowd, *[(mean, pictures(value)) for value in (12, 13, 14)])
    mean.gate.set()
    assert submitted[0].result(20)[0, 0] == 12
    assert submitted[2].result(20)[0, 0] == 14
    with pytest.raises(ZeroDivisionError):
        submitted[1].result(20)
    assert batcher.predict(mean, pictures(5))[0, 0] == 5, "the thread lives on"


def test_a_queue_that_is_full_refuses(crowd, request):
    batcher, mean = open_batcher(request, most_waiting=4), Mean()
    _, submitted = behind(batcher, mean, crowd, (mean, pictures(1, 2, 3)))
    with pytest.raises(BusyError, match="3 faces wait") as refused:
        batcher.predict(mean, pictures(4, 5))
    assert refused.value.status == 503
    assert int(refused.value.headers["Retry-After"]) > 0
    fits = crowd.submit(batcher.predict, mean, pictures(6))
    mean.gate.set()
    assert fits.result(20)[0, 0] == 6
    assert submitted[0].result(20)[:, 0].tolist() == [1, 2, 3]
    assert len(batcher.predict(mean, pictures(*range(20, 30)))) == 10, "more than may wait, but nobody does"


def test_who_waits_too_long_is_refused_and_not_asked_for(crowd, request):
    batcher, mean = open_batcher(request, patience_seconds=0.05), Mean()
    first, submitted = behind(batcher, mean, crowd, (mean, pictures(1)))
    for each in (first, *submitted):
        with pytest.raises(BusyError, match=r"within 0\.05 s"):
            each.result(20)
    mean.gate.set()
    until(lambda: batcher.waiting == 0)
    assert batcher.predict(mean, pictures(2))[0, 0] == 2
    assert [1] not in mean.seen


def test_a_network_that_returns_too_little_is_an_error_not_a_shift(crowd, request):
    batcher = open_batcher(request)

    def forgetful(images, /):
        return np.zeros((len(images) - 1, 2))

    with pytest.raises(ValueError, match="1 answers for 2 pictures"):
        batcher.predict(forgetful, pictures(1, 2))


def test_the_thread_meets_a_network_before_requests_do(crowd, request):
    batcher, threads = open_batcher(request, patience_seconds=0.05), []

    def shy(images, /):
        threads.append((threading.current_thread().name, images.shape))
        return np.zeros((len(images), 2))

    batcher.meet(shy, pictures(0))
    assert threads == [("ferkit-batcher", (1, 48, 48))]
    busy = Mean()
    behind(batcher, busy, crowd)
    batcher.meet(shy, pictures(0))
    busy.gate.set()


def test_closing_answers_what_waits_and_refuses_the_rest(crowd):
    batcher, mean = Batcher(), Mean()
    _, submitted = behind(batcher, mean, crowd, (mean, pictures(1)))
    closing = crowd.submit(batcher.close)
    mean.gate.set()
    closing.result(20)
    assert submitted[0].result(20)[0, 0] == 1
    with pytest.raises(BusyError):
        batcher.predict(mean, pictures(2))
