"""How often one client may ask."""

import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
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
        """Count nothing.

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
