"""The parts of the service that its endpoints share."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from ferkit.detection.base import Detector
from ferkit.serving.decoders import Decoders
from ferkit.serving.limits import Budget, RateLimit
from ferkit.serving.metrics import Metrics
from ferkit.serving.model.batcher import Batcher
from ferkit.serving.model.live_model import LiveModel
from ferkit.serving.settings import ServingSettings

__all__ = ["EXTENSION", "Backend", "backend"]

EXTENSION = "ferkit"


@dataclass(frozen=True, eq=False)
class Backend:
    """One service: settings, model, decoders, and the limits of what it holds at a time.

    Attributes
    ----------
    rate_limit, wrong_tokens
        Requests that predict, and tokens that were not the right one, of each client.
    inspectors, decoders
        Processes that read heads of pictures, and that decode them and find their faces.
    requests, content, pixels, large_pictures, explanations
        Requests that predict, bytes of their bodies, pixels of large pictures that are decoded, such pictures, faces
        that are explained.
    """

    settings: ServingSettings
    model: LiveModel
    batcher: Batcher
    detector: Detector
    metrics: Metrics
    rate_limit: RateLimit
    wrong_tokens: RateLimit
    inspectors: Decoders
    decoders: Decoders
    requests: Budget
    content: Budget
    pixels: Budget
    large_pictures: Budget
    explanations: Budget


def backend() -> Backend:
    """The service of the app that answers now."""
    return cast(Backend, current_app.extensions[EXTENSION])
