"""A client's connection, both ends of it real, read by gunicorn's own parser."""

import socket
import threading
import time
from contextlib import suppress

import pytest
from gunicorn.config import Config

from ferkit.serving.server.connection import Connection

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def begun(ours, theirs, *, pause, total):
    """A connection whose request has begun, and its body."""
    connection = Connection(Config(), ours, ("127.0.0.1", 1), ("127.0.0.1", 2), head_seconds=5.0)
    theirs.sendall(HEAD)
    connection.head += ours.recv(1000)
    connection.init()
    body = next(connection.parser).body
    connection.expect_body(pause, total)
    return connection, body


def test_a_body_that_comes_byte_by_byte_has_an_end(ends):
    ours, theirs = ends
    connection, body = begun(ours, theirs, pause=20.0, total=0.3)
    ended = threading.Event()

    def trickle():
        with suppress(OSError):
            while not ended.wait(0.01):
                theirs.sendall(b"x")

    client = threading.Thread(target=trickle)
    client.start()
    try:
        with pytest.raises(TimeoutError):
            body.read(5000)
        with pytest.raises(TimeoutError):
            body.read(1)
        assert ours.gettimeout() == 20.0, "the answer may still be taken slowly"
        assert not connection.parser.finish_body(deadline=time.monotonic() + 5), "its connection ends"
    finally:
        ended.set()
        client.join()


def test_a_pause_within_a_body_has_an_end(ends):
    connection, body = begun(*ends, pause=0.1, total=20.0)
    with pytest.raises(TimeoutError):
        body.read(5000)
    # Nobody waits for the rest either, as gunicorn does that reads it to keep the connection.
    ends[1].sendall(b"x" * 5000)
    with pytest.raises(TimeoutError):
        body.read(5000)
    assert not connection.parser.finish_body(deadline=time.monotonic() + 5), "its connection ends"


def test_each_request_has_its_own_time(ends):
    ours, theirs = ends
    connection, body = begun(ours, theirs, pause=5.0, total=5.0)
    theirs.sendall(b"x" * 5000)
    assert body.read(5000) == b"x" * 5000
    theirs.sendall(HEAD)
    connection.head += ours.recv(1000)
    connection.init()
    body = next(connection.parser).body
    connection.expect_body(5.0, 5.0)
    theirs.sendall(b"y" * 5000)
    assert body.read(5000) == b"y" * 5000
