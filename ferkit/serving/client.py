"""Whether the client of a request still waits for its answer."""

import select
import socket
import ssl
from collections.abc import Callable

from flask import Request

from ferkit.serving.errors import ApiError

__all__ = ["Gone", "GoneError", "gone_of", "nobody_leaves"]

# Says whether a client has left.
Gone = Callable[[], bool]


class GoneError(ApiError):
    """The client closed its connection before it was answered: 499, as nginx counts it; nobody reads it."""

    def __init__(self) -> None:
        super().__init__(499, "client_gone", "the client closed its connection before it was answered.")


def nobody_leaves() -> bool:
    """For work that nobody can leave: always false."""
    return False


def gone_of(request: Request) -> Gone:
    """A function that returns whether the client of `request` has left; call it once the body is read."""
    connection = request.environ.get("gunicorn.socket")
    # An encrypted connection shows nothing of what comes without reading it.
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        return nobody_leaves
    return lambda: _is_closed(connection)


def _is_closed(connection: socket.socket) -> bool:
    try:
        # A closed connection is one from which nothing can be read, at once.
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        return bool(poll.poll(0)) and not connection.recv(1, socket.MSG_PEEK)
    except (OSError, ValueError):
        return True
