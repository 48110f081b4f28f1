"""The processes that decode: who needs one waits his turn."""

import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from ferkit.detection.loading import DetectorName
from ferkit.inference.decoder import Decoder
from ferkit.serving.client import Gone, GoneError, nobody_leaves
from ferkit.serving.errors import BusyError

__all__ = ["Decoders"]

# How often somebody who waits looks whether his client is still there, in seconds.
_POLL_SECONDS = 0.25


class Decoders:
    """A pool of decoder processes, each started when it is first needed; a request holds one at a time.

    Parameters
    ----------
    count
        How many.
    patience_seconds
        How long somebody waits for one.
    detector
        What finds faces; None: they only inspect.
    """

    def __init__(self, count: int, patience_seconds: float, detector: DetectorName | None = None) -> None:
        self._all = [Decoder(detector) for _ in range(count)]
        self._free = list(self._all)
        self._patience_seconds = patience_seconds
        self._queue: deque[object] = deque()
        self._changed = Condition()
        weakref.finalize(self, _close, self._all)

    def start(self) -> None:
        """Start all processes, so that no request has to wait for a start."""
        for decoder in self._all:
            decoder.start()

    @contextmanager
    def one(self, gone: Gone = nobody_leaves) -> Iterator[Decoder]:
        """Hold a process; those who wait are served in the order in which they came.

        Raises
        ------
        BusyError
            If none was free for too long.
        GoneError
            If the client left meanwhile.
        """
        decoder = self._take(gone)
        try:
            yield decoder
        finally:
            with self._changed:
                self._free.append(decoder)
                self._changed.notify_all()

    def _take(self, gone: Gone) -> Decoder:
        ticket, deadline = object(), time.monotonic() + self._patience_seconds
        with self._changed:
            self._queue.append(ticket)
            try:
                while not self._changed.wait_for(
                    lambda: self._free and self._queue[0] is ticket, min(_POLL_SECONDS, self._patience_seconds)
                ):
                    if gone():
                        raise GoneError
                    if time.monotonic() >= deadline:
                        raise BusyError("other requests have all decoders")
                # The one that worked last: its memory is warm, and others need not start.
                return self._free.pop()
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()


def _close(decoders: list[Decoder]) -> None:
    for decoder in decoders:
        decoder.close()
