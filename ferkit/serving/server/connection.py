"""A client's connection while gunicorn's worker waits for the head of a request, without a thread of its own."""

import math
import re
import socket
import time
from typing import Any

from gunicorn.config import Config
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn

__all__ = ["LONGEST_HEAD", "Connection"]

# More than browsers and proxies send.
LONGEST_HEAD = 32_768
_END_OF_HEAD = b"\r\n\r\n"
_PROBE = re.compile(rb"(?:GET|HEAD) /(?:healthz|readyz)(?:\?\S*)? HTTP/1")
_BODY = re.compile(rb"\r\n(?:content-length|transfer-encoding|expect)[ \t]*:", re.IGNORECASE)


class _BodyReader(SocketUnreader):  # type: ignore[misc]
    """gunicorn's reader of a connection, with a deadline for the body."""

    def __init__(self, client: socket.socket) -> None:
        super().__init__(client)
        self._seconds = math.inf
        self._deadline: float | None = None

    def allow(self, seconds: float) -> None:
        """Give what comes next `seconds`, from the first wait for it on."""
        self._seconds, self._deadline = seconds, None

    def chunk(self) -> bytes:
        """Bytes that have come; waits for them.

        Raises
        ------
        TimeoutError
            If nothing comes for as long as the socket waits, or if the time for all of it has passed: bytes that come
            one by one would each be in time. From then on at once: who reads what is left, so that the connection may
            be kept, would hold a thread for as long again.
        """
        now, pause = time.monotonic(), self.sock.gettimeout()
        if self._deadline is None:
            self._deadline = now + self._seconds
        if now >= self._deadline:
            raise TimeoutError
        left = self._deadline - now
        if left < (math.inf if pause is None else pause):
            self.sock.settimeout(left)
        try:
            return bytes(super().chunk())
        except TimeoutError:
            self._deadline = -math.inf
            raise
        finally:
            # It is also how long an answer may wait to be taken.
            self.sock.settimeout(pause)


class Connection(TConn):  # type: ignore[misc]
    """A connection, and what has come of the head of its next request.

    Parameters
    ----------
    config, client, address, server
        gunicorn's settings, the socket, and the addresses of both ends.
    head_seconds
        How long the client may take for a head.

    Attributes
    ----------
    head
        Bytes that came and that nobody has read yet.
    deadline
        When the client has to have done what is expected of it, by `time.monotonic`.
    drained
        Bytes that came after the last answer.
    """

    def __init__(self, config: Config, client: socket.socket, address: Any, server: Any, head_seconds: float) -> None:
        super().__init__(config, client, address, server)
        # gunicorn's threads need not wait for the first bytes: they are in `head`.
        self.data_ready = True
        self._head_seconds = head_seconds
        self.head = bytearray()
        self.deadline = 0.0
        self.drained = 0

    def init(self) -> None:
        """Give the head to gunicorn's parser, as if that had read it itself."""
        is_new = not self.initialized
        super().init()
        if is_new:
            self.parser.unreader = _BodyReader(self.sock)
        # The parser has all that it needs; if it wants more, that shall not hold a thread for ever.
        self.sock.settimeout(self._head_seconds)
        self.parser.unreader.allow(math.inf)
        self.parser.unreader.unread(bytes(self.head))
        self.head.clear()

    def expect_body(self, pause: float, total: float) -> None:
        """Let reads of the body fail after `pause` seconds without any of it, and after `total` seconds in all."""
        self.sock.settimeout(pause)
        self.parser.unreader.allow(total)

    def wait(self, seconds: float) -> None:
        """Set the deadline of the client to `seconds` from now."""
        self.deadline = time.monotonic() + seconds

    @property
    def has_head(self) -> bool:
        """Whether a whole head has come."""
        return _END_OF_HEAD in self.head

    @property
    def is_probe(self) -> bool:
        """Whether the request is for ``/healthz`` or ``/readyz``, without a body, which could be slow to come."""
        head = self.head.partition(_END_OF_HEAD)[0]
        return _PROBE.match(head) is not None and _BODY.search(head) is None
