"""Requests that wait for the network are answered together.

While the network is idle, a request is handed to it at once; what comes in while it works forms the next batch. No
request ever waits for others to come: that would cost the lonely one time and gain nothing under load.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ferkit.dataset import SIZE
from serving.errors import BusyError

__all__ = ["Batcher", "Classifier"]


class Classifier(Hashable, Protocol):
    """What answers for pictures; those of requests whose classifiers are equal are answered together."""

    def __call__(self, images: NDArray[np.uint8], /) -> NDArray[np.floating]:
        """Probabilities (N, classes) of pictures (N, 48, 48) uint8."""


class _Job:
    """The pictures of one request."""

    def __init__(self, classifier: Classifier, images: NDArray[np.uint8]) -> None:
        self.classifier = classifier
        self.images = images
        self.answer: Future[NDArray[np.floating]] = Future()


class Batcher:
    """One thread that asks networks for all who wait.

    Parameters
    ----------
    most_batch
        Pictures that a network sees at once; one request may bring more, it is then cut.
    most_waiting
        Pictures that may wait.
    patience_seconds
        How long a request waits.
    on_batch
        Called with the number of pictures and the seconds of each batch.
    """

    def __init__(
        self,
        most_batch: int = 64,
        most_waiting: int = 2000,
        patience_seconds: float = 10.0,
        on_batch: Callable[[int, float], None] = lambda _pictures, _seconds: None,
    ) -> None:
        self._most_batch = most_batch
        self._most_waiting = most_waiting
        self._patience_seconds = patience_seconds
        self._on_batch = on_batch
        self._waiting: deque[_Job] = deque()
        self._pictures = 0
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="ferkit-batcher", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pictures that wait."""
        return self._pictures

    def ask(self, classifier: Classifier, images: NDArray[np.uint8]) -> NDArray[np.floating]:
        """What `classifier` says about pictures (N, 48, 48) uint8; blocks until it has.

        Raises
        ------
        BusyError
            If too many pictures wait already, or these waited too long.
        """
        job = _Job(classifier, images)
        with self._changed:
            # A request that alone is more than may wait is taken if nobody else waits.
            if self._closed or (self._waiting and self._pictures + len(images) > self._most_waiting):
                raise BusyError(f"{self._pictures:,} faces wait for the network already")
            self._waiting.append(job)
            self._pictures += len(images)
            self._changed.notify()
        try:
            return job.answer.result(self._patience_seconds)
        except TimeoutError:
            # Not if the network raised this error itself.
            if job.answer.done():
                raise
            job.answer.cancel()
            raise BusyError(f"no answer of the network within {self._patience_seconds:g} s") from None

    def meet(self, classifier: Classifier) -> None:
        """Let the thread ask `classifier` once: some networks prepare themselves for each thread anew."""
        # A thread that is too busy will do so with the first request.
        with suppress(BusyError):
            self.ask(classifier, np.zeros((1, SIZE, SIZE), np.uint8))

    def close(self) -> None:
        """Refuse what comes, answer what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while jobs := self._next():
            started = time.monotonic()
            self._answer(jobs)
            self._on_batch(sum(len(job.images) for job in jobs), time.monotonic() - started)

    def _next(self) -> list[_Job]:
        """The oldest job and those behind it that fit into its batch; none at the end."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return []
                batch: list[_Job] = []
                left: deque[_Job] = deque()
                size = 0
                for job in self._waiting:
                    fits = not batch or (
                        job.classifier == batch[0].classifier and size + len(job.images) <= self._most_batch
                    )
                    if fits:
                        size += len(job.images)
                        batch.append(job)
                    else:
                        left.append(job)
                self._waiting = left
                self._pictures -= size
                # Those that gave up meanwhile are not asked for.
                alive = [job for job in batch if job.answer.set_running_or_notify_cancel()]
                if alive:
                    return alive

    def _answer(self, jobs: list[_Job]) -> None:
        try:
            said = self._ask(jobs[0].classifier, np.concatenate([job.images for job in jobs]))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the request, not to this thread.
            if len(jobs) == 1:
                jobs[0].answer.set_exception(error)
                return
            # One of them may be at fault: each gets an answer, or an error, of its own.
            for job in jobs:
                self._answer([job])
            return
        start = 0
        for job in jobs:
            job.answer.set_result(said[start : start + len(job.images)])
            start += len(job.images)

    def _ask(self, classifier: Classifier, images: NDArray[np.uint8]) -> NDArray[np.floating]:
        parts = [
            classifier(images[start : start + self._most_batch]) for start in range(0, len(images), self._most_batch)
        ]
        said = np.concatenate(parts) if parts else classifier(images)
        if len(said) != len(images):
            raise ValueError(f"{len(said)} answers for {len(images)} pictures")
        return said
