"""A client's connection while gunicorn's worker waits for the head of a request, without a thread of its own."""

import re
import socket
import time
from typing import Any

from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

__all__ = ["LONGEST_HEAD", "Connection"]

# More than browsers and proxies send.
LONGEST_HEAD = 32_768
_END_OF_HEAD = b"\r\n\r\n"
_PROBE = re.compile(rb"(?:GET|HEAD) /(?:healthz|readyz)(?:\?\S*)? HTTP/1")
_BODY = re.compile(rb"\r\n(?:content-length|transfer-encoding|expect)[ \t]*:", re.IGNORECASE)


class Connection(TConn):  # type: ignore[misc]
    """A connection, and what has come of the head of its next request.

    Parameters
    ----------
    config, client, address, server
        As gunicorn has them: its settings, the socket, and the addresses of both ends.
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
        super().init()
        # The parser has all that it needs; if it wants more, that shall not hold a thread for ever.
        self.sock.settimeout(self._head_seconds)
        self.parser.unreader.unread(bytes(self.head))
        self.head.clear()

    def wait(self, seconds: float) -> None:
        """Be patient with the client for so long from now on."""
        self.deadline = time.monotonic() + seconds

    @property
    def has_head(self) -> bool:
        """Whether a whole head has come."""
        return _END_OF_HEAD in self.head

    @property
    def is_probe(self) -> bool:
        """Whether a service is asked if it lives or is ready, without a body, which could be slow to come."""
        head = self.head.partition(_END_OF_HEAD)[0]
        return _PROBE.match(head) is not None and _BODY.search(head) is None
