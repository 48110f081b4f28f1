"""Promotion and rollback: the gate's verdict, the history, the alias, and what is written down of it."""

import getpass
import logging
import os
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from ferkit.bundles.bundle import Bundle
from ferkit.data.dataset import FaceDataset
from ferkit.evaluation.evaluate import EvaluationSettings
from ferkit.models.selection import NO_DUPLICATES, SelectionSettings
from ferkit.promotion.gate import Measurement, Verdict, judge
from ferkit.promotion.measure import measure_bundle, protocols_of
from ferkit.promotion.settings import GateSettings
from ferkit.registry.client import RegistryError, aliases_of, find_model, registry_client, require_model
from ferkit.registry.history import Action, Entry, History
from ferkit.registry.models import CHALLENGER, REGISTERED_NAME, RegisteredModel, champion_version, load_version
from ferkit.registry.verdicts import log_verdict

__all__ = ["Outcome", "Pictures", "current_user", "find_challenger", "promote", "promote_run", "roll_back"]

_LOG = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Pictures:
    """The data and settings that a promotion is decided on.

    Attributes
    ----------
    faces
        The data; its PublicTest decides.
    settings, seed
        Settings of the scores, and seed of their bootstrap.
    selection
        Which pictures of PublicTest decide.
    """

    faces: FaceDataset
    settings: EvaluationSettings
    seed: int
    selection: SelectionSettings = NO_DUPLICATES


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of a promotion: the verdict, and the change of the champion if there was one.

    Attributes
    ----------
    verdict
        Verdict of the gate.
    entry
        The new line of the history; None if the champion stays.
    """

    verdict: Verdict
    entry: Entry | None


def current_user() -> str:
    """Name of the user at the MLflow server if there is one, else on this machine."""
    try:
        return os.environ.get("MLFLOW_TRACKING_USERNAME") or getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that has no name.
        return f"uid {os.getuid()}"


def find_challenger(name: str, version: str | None, cache: Path) -> RegisteredModel:
    """A copy of version `version` of a registered model, by default of the one with the alias ``challenger``.

    Raises
    ------
    RegistryError
        If there is none.
    """
    chosen = version or aliases_of(require_model(name)).get(CHALLENGER)
    if chosen is None:
        raise RegistryError(
            f"registered model {name}: no version is {CHALLENGER}; name one with --version, `ferkit models` lists them."
        )
    return load_version(chosen, cache, name, alias=None if version else CHALLENGER)


def promote(
    challenger: RegisteredModel,
    pictures: Pictures,
    gate: GateSettings,
    cache: Path,
    *,
    dry_run: bool = False,
    force: str | None = None,
    on_pictures: Progress = lambda _name, _done, _all: None,
) -> Outcome:
    """Make a version the champion if the gate lets it pass; the verdict is written to the registry and its run.

    Parameters
    ----------
    cache
        Where models of the registry are copied to.
    dry_run
        Change and write nothing.
    force
        Reason for a promotion in spite of the gate.

    Raises
    ------
    RegistryError
        If the version is champion already, or the registry does not answer.
    DataError
        If a bundle, or PublicTest, is not as it has to be.
    """
    history = History(challenger.name)
    measurements = _Measurements(challenger, pictures, cache, on_pictures)
    while True:
        if not dry_run:
            history.settle()
        entries = history.read()
        champion = next(iter(reversed(history.champions(entries))), None) or _unrecorded(challenger.name, entries)
        if champion == challenger.version:
            raise RegistryError(f"{challenger.name} version {champion} is the champion already.")
        verdict = judge(
            measurements.of(challenger.version), measurements.of(champion) if champion else None, gate, pictures.seed
        )
        if dry_run:
            return Outcome(verdict, None)
        entry = None
        if verdict.passed or force:
            action: Action = "promote" if verdict.passed else "force"
            reason = force or " ".join(verdict.reasons)
            entry = _entry(action, challenger.version, champion, reason)
            if not history.append(entry, after=entries):
                # Somebody promoted meanwhile: there is another champion to be compared with.
                continue
            history.settle()
            _pass_on_challenger(challenger)
        log_verdict(challenger, champion, verdict, entry, current_user())
        return Outcome(verdict, entry)


def roll_back(name: str, reason: str) -> Entry:
    """Make the previous champion champion again; a second call goes back one more.

    Raises
    ------
    RegistryError
        If there is none, or somebody else changed the champion at the same moment.
    """
    history = History(name)
    entries = history.read()
    champions = history.champions(entries)
    if len(champions) < 2:
        raise RegistryError(
            f"registered model {name}: no champion before this one is registered, so there is nothing to roll back to."
        )
    entry = _entry("rollback", champions[-2], champions[-1], reason)
    if not history.append(entry, after=entries):
        raise RegistryError(
            f"registered model {name}: somebody else changed the champion at the same moment, nothing was rolled back; "
            "look at `ferkit models` and do it again if it is still needed."
        )
    history.settle()
    return entry


class _Measurements:
    """Measurements by version; each is made once, however often the champion changes meanwhile."""

    def __init__(self, challenger: RegisteredModel, pictures: Pictures, cache: Path, on_pictures: Progress) -> None:
        self._challenger, self._pictures, self._cache, self._on_pictures = challenger, pictures, cache, on_pictures
        self._protocols = protocols_of(Bundle(challenger.folder))
        self._by_version: dict[str, Measurement] = {}

    def of(self, version: str) -> Measurement:
        if version not in self._by_version:
            name = self._challenger.name
            folder = self._challenger.folder
            if version != self._challenger.version:
                folder = load_version(version, self._cache, name).folder
            self._by_version[version] = measure_bundle(
                f"{name} version {version}", Bundle(folder), self._pictures.faces, self._protocols,
                self._pictures.settings, self._pictures.seed,
                selection=self._pictures.selection, on_pictures=self._on_pictures,
            )  # fmt: skip
        return self._by_version[version]


def _unrecorded(name: str, entries: list[Entry]) -> str | None:
    """A champion that somebody named by hand before the history began."""
    return None if entries else champion_version(name)


def _entry(action: Action, version: str, previous: str | None, reason: str) -> Entry:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    # A parameter of MLflow may have 6,000 characters in all.
    return Entry(action, version, previous, current_user(), now, reason[:4000], uuid.uuid4().hex[:12])


def _pass_on_challenger(promoted: RegisteredModel) -> None:
    """A champion is no challenger any more; a version that was registered meanwhile stays one."""
    if aliases_of(find_model(promoted.name)).get(CHALLENGER) == promoted.version:
        registry_client().delete_registered_model_alias(promoted.name, CHALLENGER)


def promote_run(versions: pd.DataFrame, pictures: Pictures, gate: GateSettings) -> pd.DataFrame:
    """Put the ensemble that a run registered before the gate, and promote it if it passes.

    Parameters
    ----------
    versions
        Name and version of each model that the run registered, from `ferkit.registry.register.register_run`.
    pictures
        The data as it was read, and how models are judged on it.
    gate
        What a champion has to reach.

    Returns
    -------
    passed, reason
        One line for each check of the gate; none if the version is champion already, as that of a run
        whose steps were all cached may be.
    """
    version = str(versions.loc[versions["name"] == REGISTERED_NAME, "version"].iloc[0])
    if version == champion_version():
        _LOG.info("%s version %s is the champion already", REGISTERED_NAME, version)
        return pd.DataFrame({"passed": pd.Series(dtype=bool), "reason": pd.Series(dtype=str)})
    with tempfile.TemporaryDirectory() as scratch:
        challenger = find_challenger(REGISTERED_NAME, version, Path(scratch))
        outcome = promote(challenger, pictures, gate, Path(scratch))
    result = "is the champion now" if outcome.entry else "is refused and stays challenger"
    _LOG.info("%s version %s %s: %s", REGISTERED_NAME, version, result, " ".join(outcome.verdict.reasons))
    return outcome.verdict.table()
