"""What a training that was killed goes on from: weights, optimizer and bookkeeping after the last whole epoch."""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ferkit.errors import TrainingError

if TYPE_CHECKING:
    import keras

__all__ = ["Checkpoint", "Progress", "remove_finished"]

_FINISHED = "finished"


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


class Checkpoint:
    """A folder that holds one training's state; each state is written beside the last and then takes its place.

    Parameters
    ----------
    folder
        Made if missing. Whatever else it holds is left alone.
    key
        What the state belongs to; a state with another key is ignored.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._state = folder / "state"
        self._key = key
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _FINISHED).unlink(missing_ok=True)
        for abandoned in folder.glob("state-*"):
            shutil.rmtree(abandoned, ignore_errors=True)

    def load(self) -> Progress | None:
        """The progress that was saved under the same key, None if there is none."""
        # A kill between the two renames of `save` leaves the newer state under this name.
        older = self._state.with_name("previous")
        if not self._state.exists() and older.exists():
            older.rename(self._state)
        try:
            record = json.loads((self._state / "progress.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        if record.pop("key", None) != self._key or record.keys() != {each.name for each in fields(Progress)}:
            return None
        return Progress(**record)

    def restore(self, trainer: "keras.Model") -> None:
        """Put weights and optimizer of the last whole epoch into the compiled `trainer`."""
        _read(self._state / "last.npz", _state_of(trainer))

    def restore_best(self, network: "keras.Model") -> None:
        """Put the best weights so far into `network`."""
        _read(self._state / "best.npz", network.weights)

    def save(self, progress: Progress, trainer: "keras.Model", network: "keras.Model", *, improved: bool) -> None:
        """Write the state after a whole epoch; `improved` says that `network` has the best weights so far.

        Raises
        ------
        TrainingError
            If the disk is full; the previous state is still whole.
        """
        new = Path(tempfile.mkdtemp(prefix="state-", dir=self._state.parent))
        try:
            _write(new / "last.npz", _state_of(trainer))
            if improved:
                _write(new / "best.npz", network.weights)
            else:
                shutil.copyfile(self._state / "best.npz", new / "best.npz")
            (new / "progress.json").write_text(json.dumps({"key": self._key, **asdict(progress)}))
        except OSError as error:
            shutil.rmtree(new, ignore_errors=True)
            raise TrainingError(
                f"the checkpoint in {self._state.parent} could not be written ({error}): free some space and run "
                f"again, the training goes on after epoch {len(progress.history) - 1}."
            ) from error
        older = self._state.with_name("previous")
        if self._state.exists():
            self._state.rename(older)
        new.rename(self._state)
        shutil.rmtree(older, ignore_errors=True)

    def finish(self) -> None:
        """Note that the training is over: `remove_finished` may take the folder away."""
        (self._state.parent / _FINISHED).touch()


def remove_finished(root: Path) -> None:
    """Remove the folders below `root` whose training is over, once what it made is kept elsewhere."""
    for mark in root.glob(f"*/{_FINISHED}"):
        shutil.rmtree(mark.parent, ignore_errors=True)


def _state_of(trainer: "keras.Model") -> list[Any]:
    return [*trainer.weights, *trainer.optimizer.variables]


def _write(path: Path, variables: list[Any]) -> None:
    """Store arrays in the order of `variables`; not as .h5, since HDF5 crashes on closing a file on a full disk."""
    from keras import ops

    np.savez(path, **{f"{index:05d}": ops.convert_to_numpy(each) for index, each in enumerate(variables)})


def _read(path: Path, variables: list[Any]) -> None:
    with np.load(path, allow_pickle=False) as stored:
        for name, variable in zip(sorted(stored.files), variables, strict=True):
            variable.assign(stored[name])
