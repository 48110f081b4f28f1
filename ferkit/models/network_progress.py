"""How far a model is with the pictures that it was asked about."""

from collections.abc import Callable

__all__ = ["NetworkProgress"]


class NetworkProgress:
    """Counts the pictures that one network, or one model, has predicted, and reports them with its name and the total.

    Parameters
    ----------
    network
        Its name.
    total
        How many pictures it will have predicted in the end.
    report
        Called with the name, the pictures so far and the total.

    Examples
    --------
    >>> progress = NetworkProgress("a", 3, print)
    >>> progress(2)
    a 2 3
    """

    def __init__(self, network: str, total: int, report: Callable[[str, int, int], None]) -> None:
        self._network, self._total, self._report, self._done = network, total, report, 0

    def __call__(self, pictures: int) -> None:
        """Take note of further pictures."""
        self._done += pictures
        self._report(self._network, self._done, self._total)
