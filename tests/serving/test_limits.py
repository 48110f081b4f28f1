"""What a client may take of the service: its share of a budget, some requests a minute, nothing once it has left."""

import socket
import threading
import time

import pytest
from flask import Request

from ferkit.serving.client import gone_of
from ferkit.serving.errors import ApiError, BusyError
from ferkit.serving.limits import Budget, RateLimit


def test_a_budget_is_never_exceeded_and_comes_back(crowd):
    budget, held, most = Budget(10, "bytes", 20), [], []
    lock = threading.Lock()

    def hold(amount):
        with budget.share(amount):
            with lock:
                held.append(amount)
                most.append(sum(held))
            time.sleep(0.001)
            with lock:
                held.remove(amount)

    for each in [crowd.submit(hold, amount) for amount in (4, 3, 7, 1, 9, 10, 5, 2) * 8]:
        each.result(20)
    assert max(most) <= 10
    impatient = Budget(10, "bytes", 0.0)
    with impatient.share(1000), impatient.share(0), pytest.raises(BusyError, match="too many bytes"):
        impatient.share(1).__enter__()
    with impatient.share(10):
        pass


def test_a_client_that_asks_too_often_waits_and_another_does_not():
    limit = RateLimit(3)
    for _ in range(3):
        limit.count("one")
    with pytest.raises(ApiError, match="3 requests in a minute") as refused:
        limit.count("one")
    assert refused.value.status == 429
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
    limit.count("other")
    for _ in range(100):
        RateLimit(0).count("one")


def test_a_client_that_closed_its_connection_has_left():
    ours, theirs = socket.socketpair()
    with ours:
        gone = gone_of(Request({"gunicorn.socket": ours}))
        assert not gone()
        theirs.sendall(b"GET")
        assert not gone(), "it asks for more already"
        ours.recv(3)
        theirs.close()
        assert gone()
    assert gone()
    assert not gone_of(Request({}))()
