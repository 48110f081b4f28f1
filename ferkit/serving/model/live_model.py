"""The model that answers now, and the thread that looks for a newer one.

A new champion is read, and warmed up, beside the one that answers; only then does it take over, between two requests.
A request keeps the model that it began with.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferkit.bundles.bundle import Bundle
from ferkit.errors import FerkitError, WeightsError
from ferkit.serving.errors import NotReadyError
from ferkit.serving.model.served import Served, ServedClassifier, now, without_registry

__all__ = ["LiveModel", "RegistryState"]

_LOG = logging.getLogger(__name__)
# In the cache: the champion that answered last, for a start while the registry is away.
_LAST = "last_champion.json"
_UNREADABLE = "no model can be read; the log of the service says why."


@dataclass(frozen=True)
class RegistryState:
    """Result of the last check of the registry.

    Attributes
    ----------
    state
        ``none``: there is none. ``unknown``: not checked yet. ``ok``: it answered. ``away``: it did not, or its
        champion could not be read.
    error
        Why it is away, in words that anybody may read: no address, no path. The log has the reason.
    checked_at
        Date and time, UTC, ISO 8601.
    """

    state: Literal["none", "unknown", "ok", "away"]
    error: str | None = None
    checked_at: str | None = None


class LiveModel:
    """The champion of the registry, as long as there is one; else `fallback`.

    Parameters
    ----------
    cache
        Where models from the registry are kept.
    reload_seconds
        Seconds between two checks of the registry.
    fallback
        The model that answers while there is no champion; None: the models that ferkit ships.
    registry
        Whether there is a registry to check.
    prepare
        Called with each classifier of a new model, before it takes over.

    Attributes
    ----------
    served
        The model that answers now; None until one was read. The first one answers as soon as one of its classifiers is
        warm; later ones take over when all are.
    registry
        Result of the last check of the registry.
    """

    def __init__(
        self,
        cache: Path,
        reload_seconds: float = 30.0,
        *,
        fallback: Path | None = None,
        registry: bool = True,
        prepare: Callable[[ServedClassifier], None] = lambda _classifier: None,
    ) -> None:
        self._cache = cache
        self._reload_seconds = reload_seconds
        self._fallback = fallback
        self._prepare = prepare
        self.served: Served | None = None
        self._failure: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="ferkit-live-model", daemon=True)
        self.registry = RegistryState("unknown" if registry else "none")

    def start(self) -> None:
        """Read the model in a thread, and check for newer ones from then on."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; the model goes on to answer."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def current(self) -> Served:
        """The model that answers now.

        Raises
        ------
        NotReadyError
            If none has been read yet.
        """
        if self.served is None:
            raise NotReadyError(_UNREADABLE if self._failure else "the model is being read; try again in some seconds.")
        return self.served

    def check_registry(self) -> None:
        """Take the champion if there is a new one; whatever goes wrong, what answers now goes on to answer."""
        try:
            found = self._newer()
            if found is not None:
                self._take(found)
        except Exception as error:  # noqa: BLE001 - a registry fails in many ways, and the service outlives all.
            if self.registry.state != "away":
                _LOG.warning("the registry is away, the model stays: %s", _one_line(error))
            self.registry = RegistryState("away", _public(error), now())
        else:
            if self.registry.state == "away":
                _LOG.info("the registry is back")
            if self.registry.state != "none":
                self.registry = RegistryState("ok", None, now())
        if self.served is None:
            self._take_fallback()

    def _watch(self) -> None:
        while True:
            self.check_registry()
            if self.registry.state == "none" and self.served is not None:
                return
            if self._stop.wait(self._reload_seconds if self.served else 2.0):
                return

    def _newer(self) -> Served | None:
        """The model that should answer, if it is not the one that does."""
        if self.registry.state == "none":
            return None
        from ferkit.registry.models import load_champion

        champion = load_champion(self._cache)
        if champion is None:
            # Nothing was promoted, or the champion was taken back: what ferkit brings.
            return None if self.served and self.served.alias is None else without_registry(self._fallback)
        # By the folder, not by the version: once a model was deleted, the numbers begin anew.
        if self.served and self.served.alias and self.served.bundle.folder == champion.folder:
            return None
        about = {key: getattr(champion, key) for key in ("name", "version", "alias", "run_id")}
        served = Served(bundle=Bundle(champion.folder), **about)
        self._remember(about | {"folder": str(champion.folder)})
        return served

    def _take(self, served: Served) -> None:
        started, before = time.monotonic(), self.served
        try:
            for classifier in served.classifiers():
                classifier.warm_up()
                self._prepare(classifier)
                served.warm.update(classifier.networks)
                if before is None:
                    self.served = served
        except Exception:
            self.served = before
            raise
        self.served = served
        _LOG.info("%s %s answers (ready after %.1f s)", served.name, served.version, time.monotonic() - started)

    def _take_fallback(self) -> None:
        """At the start, while no registry answers: the last champion, or what ferkit brings."""
        try:
            self._take((self.registry.state == "away" and self._last_champion()) or without_registry(self._fallback))
        except (FerkitError, OSError) as error:
            failure = _one_line(error)
            # It is tried again every two seconds, and told once.
            if failure != self._failure:
                _LOG.error("no model can be read: %s", failure)
            self._failure = failure

    def _remember(self, about: dict[str, str | None]) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        (self._cache / _LAST).write_text(json.dumps(about))

    def _last_champion(self) -> Served | None:
        try:
            about = json.loads((self._cache / _LAST).read_text())
            return Served(bundle=Bundle(Path(about.pop("folder"))), **about)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, FerkitError):
            return None


def _public(error: Exception) -> str:
    """What strangers may know: messages of libraries name addresses, users and folders."""
    if isinstance(error, WeightsError):
        return "the champion cannot be read; the log of the service says why."
    return "the registry does not answer, or has no files of its champion; the log of the service says why."


def _one_line(error: Exception) -> str:
    return " ".join(f"{'' if isinstance(error, FerkitError) else type(error).__name__ + ': '}{error}".split())[:500]
