"""The metrics that Prometheus reads at ``/metrics``.

One process with many threads serves, so that the library's counters in memory are all that is needed.
"""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

__all__ = ["Metrics"]

_SECONDS = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.1, 0.2, 0.5, 1, 2, 5, 10)
# A client can invent words without end, and each would be a counter for ever.
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_FACES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one app; apps of one process, as in tests, share nothing."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.requests = Counter(
            "ferkit_requests", "Requests that were answered", ["endpoint", "method", "status"], registry=registry
        )
        self.seconds = Histogram(
            "ferkit_request_seconds", "From the first byte of a request to its answer", ["endpoint"], buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.pictures = Counter("ferkit_pictures", "Pictures that were read", registry=registry)
        self.answers = Counter(
            "ferkit_faces", "Faces whose emotion was read", ["target", "emotion", "version"], registry=registry
        )
        self.batch_faces = Histogram(
            "ferkit_batch_faces", "Faces that the network saw at once", buckets=_FACES, registry=registry
        )
        self.network_seconds = Histogram(
            "ferkit_network_seconds", "What the network took for a batch", buckets=_SECONDS, registry=registry
        )
        self.waiting = Gauge("ferkit_waiting_faces", "Faces that wait for the network", registry=registry)
        self.model = Gauge(
            "ferkit_model", "1 for the model that answers", ["name", "version", "alias"], registry=registry
        )
        self.registry_up = Gauge(
            "ferkit_registry_up", "1 if the registry answered last, 0 if not, -1 if none is asked", registry=registry
        )

    def saw_request(self, endpoint: str, method: str, status: int, seconds: float) -> None:
        """Count a response; a method that HTTP does not have is ``other``."""
        self.requests.labels(endpoint, method if method in _METHODS else "other", str(status)).inc()
        self.seconds.labels(endpoint).observe(seconds)

    def saw_batch(self, faces: int, seconds: float) -> None:
        """Count a batch of the network."""
        self.batch_faces.observe(faces)
        self.network_seconds.observe(seconds)

    def note_model(self, name: str, version: str, alias: str | None) -> None:
        """Record which model is in use."""
        self.model.clear()
        self.model.labels(name, version, alias or "").set(1)

    def saw_faces(self, target: str, version: str, emotions: Iterable[str]) -> None:
        """Count predicted faces by emotion."""
        for emotion in emotions:
            self.answers.labels(target, emotion, version).inc()

    def page(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
