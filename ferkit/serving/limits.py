"""How much of something scarce all requests may hold together."""

import ctypes
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ferkit.serving.errors import ApiError, BusyError

__all__ = ["Budget", "RateLimit", "return_freed_memory"]


class Budget:
    """A shared limit of something, such as bytes of memory; who finds too little left waits, then is refused.

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


# Names of mallopt(3), from glibc's malloc.h, and what they are set to: bytes, and a number of arenas.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


_OPTIONS = {_M_TRIM_THRESHOLD: 10_000_000, _M_MMAP_THRESHOLD: 1_000_000, _M_ARENA_MAX: 4}


def return_freed_memory() -> None:
    """Have glibc give back blocks as large as pictures; elsewhere, do nothing.

    A picture takes tens of megabytes for a moment. By default glibc learns from the first ones to keep such blocks, for
    each of dozens of threads: twelve clients that sent large pictures made a process of 3.9 GB, of 1.8 GB with this.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for option, value in _OPTIONS.items():
        mallopt(option, value)


class RateLimit:
    """A limit of requests a minute for each client.

    Parameters
    ----------
    requests_a_minute
        0: no limit.
    name
        What is counted, for the message.
    """

    def __init__(self, requests_a_minute: int, name: str = "requests") -> None:
        self._item = RateLimitItemPerMinute(requests_a_minute) if requests_a_minute else None
        self._name = name
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, client: str) -> None:
        """Count a request of `client`.

        Raises
        ------
        ApiError
            429 if it is one too many; ``Retry-After`` says when the next one is welcome.
        """
        if self._item is None or self._limiter.hit(self._item, client):
            return
        raise self._refusal(self._item, client)

    def require_left(self, client: str) -> None:
        """Check that `client` has a request left, without counting one.

        Raises
        ------
        ApiError
            429 if another request of `client` would be one too many.
        """
        if self._item is not None and not self._limiter.test(self._item, client):
            raise self._refusal(self._item, client)

    def _refusal(self, item: RateLimitItem, client: str) -> ApiError:
        reset = self._limiter.get_window_stats(item, client).reset_time
        seconds = max(1, math.ceil(reset - time.time()))
        return ApiError(
            429,
            "too_many_requests",
            f"more than {item.amount:,} {self._name} in a minute, try again in {seconds} s.",
            {"Retry-After": str(seconds)},
        )
