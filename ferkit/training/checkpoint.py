"""What a training that was killed goes on from: weights, optimizer and bookkeeping after the last whole epoch."""

import fcntl
import json
import logging
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

import numpy as np
from numpy.typing import NDArray

from ferkit.errors import TrainingError
from ferkit.training.settings import PhaseSettings

if TYPE_CHECKING:
    import keras

__all__ = ["Checkpoint", "Progress", "clean_up", "mark_finished"]

_LOG = logging.getLogger(__name__)

_FINISHED = "finished"
_DAY_S = 24 * 60 * 60


@dataclass
class Progress:
    """Where a training stands.

    Attributes
    ----------
    phase, epoch
        Index of the phase, and the epochs of it that are whole.
    waited
        Epochs of this phase since the monitored value last improved.
    rate_factor
        What the plateau schedule has made of the learning rate.
    best, best_epoch
        Best monitored value so far (larger is better), and the epoch over all phases that had it.
    seconds, pictures
        Time in training steps, and pictures trained on, both over all epochs.
    history
        One record an epoch.
    """

    phase: int = 0
    epoch: int = 0
    waited: int = 0
    rate_factor: float = 1.0
    best: float = float("-inf")
    best_epoch: int = -1
    seconds: float = 0.0
    pictures: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def next_phase(self) -> None:
        """Start the bookkeeping of the next phase; the best value so far stays the one to beat."""
        self.phase, self.epoch, self.waited, self.rate_factor = self.phase + 1, 0, 0, 1.0

    def account(self, value: float, phase: PhaseSettings) -> bool:
        """Note an epoch of `phase` and the monitored value after it; whether that is the best so far."""
        self.epoch += 1
        if value > self.best:
            self.best, self.best_epoch, self.waited = value, len(self.history), 0
            return True
        self.waited += 1
        if phase.schedule == "plateau" and self.waited % phase.plateau_patience == 0:
            self.rate_factor *= phase.plateau_factor
        return False


class Checkpoint:
    """A folder that holds one training's state; each state is written beside the last and then takes its place.

    A context, within which the folder belongs to this process alone, and in which whatever a killed one left half done
    has been put right.

    Parameters
    ----------
    folder
        Made if missing. Whatever else it holds is left alone.
    key
        What the state belongs to; a state with another key is ignored.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._state = folder / "state"
        self._older = folder / "previous"
        self._key = key
        self._lock: TextIO | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        """Lock the folder.

        Raises
        ------
        TrainingError
            If another process has locked it.
        """
        folder = self._state.parent
        # Opened without emptying it: it names the process that holds it.
        self._lock = (folder / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read().strip()
            self._lock.close()
            raise TrainingError(
                f"{folder}: process {holder} trains this very network; wait until it has ended, or stop it."
            ) from None
        except OSError as error:
            _LOG.warning("%s cannot be locked (%s): see to it that no other process trains there", folder, error)
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n")
        self._lock.flush()
        self._repair()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            self._lock.close()

    def _repair(self) -> None:
        """Put right what a kill in the middle of `save` leaves."""
        (self._state.parent / _FINISHED).unlink(missing_ok=True)
        for abandoned in self._state.parent.glob("state-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        if self._state.exists():
            shutil.rmtree(self._older, ignore_errors=True)
        elif self._older.exists():
            self._older.rename(self._state)

    def load(self) -> Progress | None:
        """The progress that was saved under the same key, None if there is none."""
        try:
            record = json.loads((self._state / "progress.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        if record.pop("key", None) != self._key or record.keys() != {each.name for each in fields(Progress)}:
            return None
        return Progress(**record)

    def restore(self, state: list[Any]) -> None:
        """Put the values after the last whole epoch into the variables `state`."""
        for variable, value in zip(state, _read(self._state / "last.npz"), strict=True):
            variable.assign(value)

    def restore_best(self, network: "keras.Model") -> None:
        """Put the best weights so far into `network`."""
        network.set_weights(_read(self._state / "best.npz"))

    def save(self, progress: Progress, state: list[Any], best: list[NDArray[np.float32]] | None) -> None:
        """Write the values of the variables `state` after a whole epoch, and the weights `best` if they are new.

        Raises
        ------
        TrainingError
            If the disk is full; the previous state is still whole.
        """
        new = Path(tempfile.mkdtemp(prefix="state-", dir=self._state.parent))
        try:
            _write(new / "last.npz", state)
            if best is not None:
                _write(new / "best.npz", best)
            else:
                shutil.copyfile(self._state / "best.npz", new / "best.npz")
            (new / "progress.json").write_text(json.dumps({"key": self._key, **asdict(progress)}))
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            raise TrainingError(
                f"the checkpoint in {self._state.parent} could not be written ({error}): free some space and run "
                f"again, the training goes on after epoch {len(progress.history) - 1}."
            ) from error
        if self._state.exists():
            self._state.rename(self._older)
        new.rename(self._state)
        shutil.rmtree(self._older, ignore_errors=True)


def mark_finished(folder: Path, run: str) -> None:
    """Note that the training whose state is in `folder` is over, and that `run` is to keep what it made."""
    (folder / _FINISHED).write_text(run)


def clean_up(root: Path, run: str) -> None:
    """Remove what `run` finished below `root`, now that it is kept elsewhere, and what nobody will go on with.

    Other runs may train there, and may be about to keep what they finished; after a day they are not, and after thirty
    nobody goes on with a training that was killed.
    """
    for folder in root.glob("*/*"):
        # Another run may be cleaning up, too.
        with suppress(FileNotFoundError):
            mark, now = folder / _FINISHED, time.time()
            if mark.exists():
                done = mark.read_text() == run or now - mark.stat().st_mtime > _DAY_S
            else:
                done = now - folder.stat().st_mtime > 30 * _DAY_S
            if done:
                shutil.rmtree(folder, ignore_errors=True)


def _write(path: Path, values: list[Any]) -> None:
    """Store arrays or variables in their order; not as .h5: HDF5 crashes on closing a file on a full disk."""
    from keras import ops

    np.savez(path, **{f"{index:05d}": ops.convert_to_numpy(each) for index, each in enumerate(values)})


def _read(path: Path) -> list[Any]:
    with np.load(path, allow_pickle=False) as stored:
        return [stored[name] for name in sorted(stored.files)]
