"""How often one client may ask."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from serving.errors import ApiError

__all__ = ["RateLimit"]


class RateLimit:
    """At most so many requests in any minute, for each client by itself.

    Parameters
    ----------
    requests_a_minute
        0: no limit.
    """

    def __init__(self, requests_a_minute: int) -> None:
        self._item = RateLimitItemPerMinute(requests_a_minute) if requests_a_minute else None
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
        reset = self._limiter.get_window_stats(self._item, client).reset_time
        seconds = max(1, math.ceil(reset - time.time()))
        raise ApiError(
            429,
            "too_many_requests",
            f"more than {self._item.amount:,} requests in a minute, try again in {seconds} s.",
            {"Retry-After": str(seconds)},
        )
