"""How much of something scarce all requests may hold together."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from serving.errors import BusyError

__all__ = ["Budget"]


class Budget:
    """`most` of something, such as bytes of memory; who finds too little left waits, then is refused.

    Parameters
    ----------
    most
        What there is.
    name
        What it is, for the message.
    wait_seconds
        How long somebody waits for his share.
    """

    def __init__(self, most: int, name: str, wait_seconds: float) -> None:
        self._left = most
        self._most = most
        self._name = name
        self._wait_seconds = wait_seconds
        self._changed = threading.Condition()

    @contextmanager
    def share(self, amount: int) -> Iterator[None]:
        """Hold `amount`, or all there is if that is less.

        Raises
        ------
        BusyError
            If too little was left for too long.
        """
        amount = min(amount, self._most)
        deadline = time.monotonic() + self._wait_seconds
        with self._changed:
            if not self._changed.wait_for(lambda: self._left >= amount, deadline - time.monotonic()):
                raise BusyError(f"other requests hold too many {self._name}")
            self._left -= amount
        try:
            yield
        finally:
            with self._changed:
                self._left += amount
                self._changed.notify_all()
