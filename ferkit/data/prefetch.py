"""Preparing what comes next while what came before is worked on."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

__all__ = ["read_ahead"]

# Seconds that an item may take to be finished once nobody wants it.
_LONGEST_WAIT = 2.0

_Raw = TypeVar("_Raw")
_Made = TypeVar("_Made")


def read_ahead(
    items: Iterable[_Raw], prepare: Callable[[_Raw], _Made], weight: Callable[[_Made], int], most: int
) -> Generator[_Made]:
    """``prepare(item)`` of each item, in order; one thread reads and prepares the next ones meanwhile.

    Parameters
    ----------
    items
        Is iterated in the thread.
    weight
        What a prepared item takes, in any unit.
    most
        The thread waits while what it has prepared and nobody has taken weighs as much. Another item may then be in
        the making.

    Raises
    ------
    Exception
        What `items` or `prepare` raised, after the items before it.
    """
    queue = _Queue(weight, most)

    def work() -> None:
        try:
            for item in items:
                if not queue.put(prepare(item)):
                    return
        except BaseException as error:  # noqa: BLE001
            # Also what is no Exception: the thread that waits has to learn that nothing will come.
            queue.end(error)
        else:
            queue.end(None)

    # A daemon: a read that never returns must not keep the program from ending.
    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield from queue
    finally:
        queue.close()
        # Of a thread that is in native code when the program ends, the whole process may die.
        thread.join(_LONGEST_WAIT)


class _Queue(Iterator[_Made]):
    """Between two threads; bounded by the weight of what it holds."""

    def __init__(self, weight: Callable[[_Made], int], most: int) -> None:
        self._weight = weight
        self._most = most
        self._held: deque[tuple[_Made, int]] = deque()
        self._holds = 0
        self._changed = threading.Condition()
        self._over = False
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: _Made) -> bool:
        """Wait until there is room, and add; False if nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._holds < self._most)
            if self._closed:
                return False
            weight = self._weight(item)
            self._held.append((item, weight))
            self._holds += weight
            self._changed.notify_all()
        return True

    def end(self, error: BaseException | None) -> None:
        """Say that nothing more will come."""
        with self._changed:
            self._over, self._error = True, error
            self._changed.notify_all()

    def close(self) -> None:
        """Let the other thread end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __next__(self) -> _Made:
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._over)
            if self._held:
                item, weight = self._held.popleft()
                self._holds -= weight
                self._changed.notify_all()
                return item
        if self._error:
            raise self._error
        raise StopIteration
