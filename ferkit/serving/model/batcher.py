"""Requests that wait for the network are answered together, and each gets its share of every batch.

While the network is idle, a request is handed to it at once; what comes in while it works forms the next batch. No
request ever waits for others to come: that would cost the lonely one time and gain nothing under load. One that brings
a thousand faces is answered in parts, between which all others have theirs.
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

from ferkit.serving.client import Gone, GoneError, nobody_leaves
from ferkit.serving.errors import BusyError

__all__ = ["Batcher", "Classifier"]

# Seconds between two checks whether the client that waits is still there.
_POLL_SECONDS = 0.25


class Classifier(Hashable, Protocol):
    """A function from pictures to probabilities; requests whose classifiers are equal share batches."""

    def __call__(self, images: NDArray[np.uint8], /) -> NDArray[np.floating]:
        """Probabilities (N, classes) of pictures (N, side, side[, 3]) uint8, of the shape that it takes."""


class _Job:
    """The pictures of one request, and the predictions of the first of them."""

    def __init__(self, classifier: Classifier, images: NDArray[np.uint8]) -> None:
        self.classifier = classifier
        self.images = images
        self.taken = 0
        self.predicted: list[NDArray[np.floating]] = []
        self.future: Future[NDArray[np.floating]] = Future()
        self.last_sign = time.monotonic()

    @property
    def left(self) -> int:
        """Pictures that no batch has taken yet."""
        return len(self.images) - self.taken

    def take(self, count: int) -> NDArray[np.uint8]:
        """The next `count` pictures."""
        part = self.images[self.taken : self.taken + count]
        self.taken += count
        return part

    def add(self, predicted: NDArray[np.floating]) -> None:
        """Keep the predictions of a part; the last one ends the job."""
        self.predicted.append(predicted)
        self.last_sign = time.monotonic()
        if not self.left and not self.future.done():
            self.future.set_result(np.concatenate(self.predicted))


# A job, and its pictures that are in the batch.
_Part = tuple[_Job, NDArray[np.uint8]]


class Batcher:
    """One thread that runs the networks for all requests that wait.

    Parameters
    ----------
    most_batch
        Pictures that a network sees at once.
    most_waiting
        Pictures that may wait.
    patience_seconds
        How long a request waits without that any of its pictures is answered, and for how long others may delay it; one
        that is alone may take longer.
    batch_seconds
        How long a batch may take, and so how long a request waits at least: a network that is slow sees fewer pictures
        at once.
    on_batch
        Called with the number of pictures and the seconds of each batch.
    """

    def __init__(
        self,
        most_batch: int = 64,
        most_waiting: int = 2000,
        patience_seconds: float = 10.0,
        batch_seconds: float = 0.5,
        on_batch: Callable[[int, float], None] = lambda _pictures, _seconds: None,
    ) -> None:
        self._most_batch = most_batch
        self._most_waiting = most_waiting
        self._patience_seconds = patience_seconds
        self._batch_seconds = batch_seconds
        self._on_batch = on_batch
        # Seconds a picture, by the hash of the classifier: a model that was replaced must not be kept for that.
        self._pace: dict[int, float] = {}
        self._waiting: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="ferkit-batcher", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pictures that wait."""
        with self._changed:
            return self._count()

    def predict(
        self, classifier: Classifier, images: NDArray[np.uint8], gone: Gone = nobody_leaves
    ) -> NDArray[np.floating]:
        """Probabilities (N, classes) of pictures (N, side, side[, 3]) uint8 by `classifier`; waits for them.

        Parameters
        ----------
        gone
            Returns whether nobody waits for the result any more.

        Raises
        ------
        BusyError
            If too many pictures wait already, those of others would delay these for too long, or none of these was
            answered for too long.
        GoneError
            If the client has left; what was left of its pictures is not predicted.
        """
        job = _Job(classifier, images)
        with self._changed:
            waiting = self._count()
            # A request that alone is more than may wait is taken if nobody else waits.
            if self._closed or (self._waiting and waiting + len(images) > self._most_waiting):
                raise BusyError(f"{waiting:,} faces wait for the network already")
            if self._delay(len(images)) > self._patience_seconds:
                raise BusyError(f"{waiting:,} faces wait for the network, too many to read {len(images):,} beside them")
            self._waiting.append(job)
            self._changed.notify()
        while True:
            try:
                return job.future.result(min(_POLL_SECONDS, self._patience_seconds))
            except TimeoutError:
                # Not if the network raised this error itself.
                if job.future.done():
                    return job.future.result()
            if gone():
                self._forget(job)
                raise GoneError
            if time.monotonic() - job.last_sign >= self._patience_seconds:
                self._forget(job)
                raise BusyError(f"no answer of the network within {self._patience_seconds:g} s") from None

    def meet(self, classifier: Classifier, images: NDArray[np.uint8]) -> None:
        """Let the thread run `classifier` once: some networks prepare themselves for each thread anew."""
        # A thread that is too busy will do so with the first request.
        with suppress(BusyError):
            self.predict(classifier, images)

    def close(self) -> None:
        """Refuse what comes, answer what waits, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _count(self) -> int:
        return sum(job.left for job in self._waiting)

    def _delay(self, count: int) -> float:
        """Seconds by which those who wait delay `count` pictures: of each, as many come before the last of them."""
        return sum(self._pace.get(hash(job.classifier), 0.0) * min(job.left, count) for job in self._waiting)

    def _forget(self, job: _Job) -> None:
        with self._changed, suppress(ValueError):
            self._waiting.remove(job)

    def _work(self) -> None:
        while parts := self._next():
            started = time.monotonic()
            self._classify(parts)
            count, seconds = sum(len(images) for _, images in parts), time.monotonic() - started
            key = hash(parts[0][0].classifier)
            self._pace[key] = (self._pace.get(key, seconds / max(1, count)) + seconds / max(1, count)) / 2
            self._on_batch(count, seconds)

    def _next(self) -> list[_Part]:
        """Pictures of the job that waits longest and of those with an equal classifier, in even shares.

        None at the end.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return []
            classifier = self._waiting[0].classifier
            room = self._room(classifier)
            jobs = [job for job in self._waiting if job.classifier == classifier][:room]
            counts: dict[_Job, int] = {}
            # What small ones leave of their share is for the larger.
            for index, job in enumerate(sorted(jobs, key=lambda job: job.left)):
                counts[job] = min(job.left, room // (len(jobs) - index))
                room -= counts[job]
            parts = [(job, job.take(counts[job])) for job in jobs]
            # Who has had a part goes behind those who have not.
            others = [job for job in self._waiting if job not in counts]
            self._waiting = deque([*others, *(job for job in jobs if job.left)])
            return parts

    def _room(self, classifier: Classifier) -> int:
        pace = self._pace.get(hash(classifier))
        return max(1, min(self._most_batch, int(self._batch_seconds / pace))) if pace else self._most_batch

    def _classify(self, parts: list[_Part]) -> None:
        job, images = parts[0]
        try:
            predicted = _probabilities(job.classifier, np.concatenate([images for _, images in parts]))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the request, not to this thread.
            if len(parts) == 1:
                self._forget(job)
                job.future.set_exception(error)
                return
            # One of them may be at fault: each gets an answer, or an error, of its own.
            for part in parts:
                self._classify([part])
            return
        start = 0
        for job, images in parts:
            job.add(predicted[start : start + len(images)])
            start += len(images)


def _probabilities(classifier: Classifier, images: NDArray[np.uint8]) -> NDArray[np.floating]:
    predicted = classifier(images)
    if len(predicted) != len(images):
        raise ValueError(f"{len(predicted)} answers for {len(images)} pictures")
    return predicted
