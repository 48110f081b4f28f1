"""Fine-tuning: the head on a frozen backbone, then the network; the best epoch on PublicTest is kept.

Every epoch draws its order and its augmentation from (seed, phase, epoch) alone, so that a training that was
killed and goes on from its checkpoint ends where an undisturbed one does.
"""

import hashlib
import logging
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferkit.backbones import BackboneSettings, build_network, restore_batch_norm_statistics, set_trainable
from ferkit.backbones.network import BACKBONE
from ferkit.data.labels import Target
from ferkit.data.stored_pictures import Images, picture_shape
from ferkit.errors import TrainingError
from ferkit.training.checkpoint import Checkpoint, Progress
from ferkit.training.epochs import EpochRecord, Epochs
from ferkit.training.examples import Examples, SelectionExamples
from ferkit.training.execution import execution, use_precision
from ferkit.training.settings import BatchNorm, PhaseSettings, TrainingSettings

if TYPE_CHECKING:
    import keras

__all__ = ["Trained", "fine_tune", "statistics_pictures"]

_LOG = logging.getLogger(__name__)

# Faces from which BatchNorm statistics are estimated where the pretrained weights have none.
_STATISTICS_FACES = 512


@dataclass(frozen=True)
class _Phase:
    """A phase that runs, and what learns in it how."""

    name: str
    settings: PhaseSettings
    unfreeze: float | str
    batch_norm: BatchNorm
    augment: bool = True
    layer_decay: float = 1.0


@dataclass(frozen=True, eq=False)
class Trained:
    """A network after fine-tuning.

    Attributes
    ----------
    network
        With the weights of its best epoch, without augmentation, computing in float32.
    history
        One line an epoch: epoch, phase, loss, accuracy, val_loss, val_accuracy, learning_rate, pictures_per_second;
        for a network with more than one head also val_accuracy/<target>.
    best_epoch
        Line of `history` whose weights were kept.
    pictures_per_second
        Training pictures a second over the whole training, judging not counted.
    trainable
        Parameters that learned, by phase.
    folder
        With the state of this training; gone if no checkpoint was wanted.
    """

    network: "keras.Model"
    history: pd.DataFrame
    best_epoch: int
    pictures_per_second: float
    trainable: dict[str, int]
    folder: Path


def fine_tune(
    examples: Examples,
    selection: SelectionExamples,
    backbone: BackboneSettings,
    settings: TrainingSettings,
    seed: int,
    *,
    checkpoint: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] = lambda _record: None,
) -> Trained:
    """Train one network, with a head for each target of `examples`.

    Parameters
    ----------
    examples
        What it learns from.
    selection
        Pictures of PublicTest and their labels: they choose the epoch, nothing else.
    backbone, settings
        The network, and how it learns.
    seed
        Of weights, order, dropout and augmentation.
    checkpoint
        A folder in which each training has one of its own, for the state after each epoch. If there is the state of
        this very training, that goes on.
    on_epoch
        Called after each epoch with its record, also with those of a training that goes on.

    Raises
    ------
    TrainingError
        If there is nothing to train, the loss is no number, the checkpoint cannot be written, or another process writes
        it.
    ConfigError
        If `settings.execution` asks for what the machine or the Keras backend does not have, or the devices cannot
        share a batch evenly.
    """
    phases = _phases(backbone, settings)
    with (
        execution(settings.execution, backbone.card),
        nullcontext(checkpoint) if checkpoint else tempfile.TemporaryDirectory() as root,
    ):
        picture = picture_shape(examples.images)
        network = build_network(backbone, examples.heads, seed=seed, picture=picture)
        key = _key(network, examples, selection, backbone, settings, seed)
        folder = Path(root) / key[:12]
        with Checkpoint(folder, key) as store:
            progress = store.load() or Progress()
            if progress.history:
                _LOG.info("%s goes on after epoch %d", backbone.label, len(progress.history) - 1)
                for record in progress.history:
                    on_epoch(record)
            elif (
                backbone.starts_trained
                and backbone.card.folded_batch_norm
                and any(each.unfreeze != "none" for each in phases)
            ):
                restore_batch_norm_statistics(network, statistics_pictures(examples.images, seed))
            epochs = Epochs(network, examples, selection, settings, seed, backbone.label, folder)
            trainable = _run_phases(epochs, phases, progress, store, on_epoch)
            store.restore_best(network)
    rate = progress.pictures / progress.seconds
    network = _in_float32(network, backbone, examples.heads, picture)
    return Trained(network, pd.DataFrame(progress.history), progress.best_epoch, rate, trainable, folder)


def _run_phases(
    epochs: Epochs,
    phases: list[_Phase],
    progress: Progress,
    store: Checkpoint,
    on_epoch: Callable[[EpochRecord], None],
) -> dict[str, int]:
    """Train what `progress` leaves; the number of trainable parameters of each phase."""
    trainable = {}
    resumes = bool(progress.history)
    for index, each in enumerate(phases):
        name, phase = each.name, each.settings
        trainable[name] = set_trainable(epochs.network, each.unfreeze, batch_norm=each.batch_norm)
        if index < progress.phase:
            continue
        if index > progress.phase:
            progress.next_phase()
        epochs.compile(phase, augment=each.augment, layer_decay=each.layer_decay)
        if resumes:
            store.restore(epochs.state)
            resumes = False
        while progress.epoch < phase.epochs and progress.waited < epochs.settings.patience:
            record, best = epochs.run(name, phase, progress)
            store.save(progress, epochs.state, best)
            on_epoch(record)
    return trainable


def _phases(backbone: BackboneSettings, settings: TrainingSettings) -> list[_Phase]:
    """Each phase that runs."""
    phases: list[_Phase] = []
    if backbone.starts_trained and settings.head.epochs:
        phases.append(_Phase("head", settings.head, "none", "frozen", augment=settings.head.augment))
    if settings.network.epochs and backbone.starts_trained:
        network = settings.network
        phases.append(
            _Phase("network", network, settings.unfreeze, settings.batch_norm, layer_decay=network.layer_decay)
        )
    elif settings.network.epochs:
        # Nothing of random weights, nor of statistics that nobody has taken, is worth keeping.
        phases.append(_Phase("network", settings.network, "all", "trainable"))
    if not phases:
        raise TrainingError(
            f"{backbone.label}: training.head.epochs and training.network.epochs leave no epoch to train; raise one."
        )
    return phases


def statistics_pictures(images: Images, seed: int) -> NDArray[np.uint8]:
    """Some hundred of `images` at random, in their order: those of a folder begin with one class."""
    count = min(_STATISTICS_FACES, len(images))
    at = np.random.default_rng(seed).choice(len(images), count, replace=False)
    return np.asarray(images[np.sort(at)])


def _key(
    network: "keras.Model",
    examples: Examples,
    selection: SelectionExamples,
    backbone: BackboneSettings,
    settings: TrainingSettings,
    seed: int,
) -> str:
    """Hash of everything that decides how a training goes and which of its epochs is the best."""
    digest = hashlib.sha256()
    parts = (
        examples.content_hash(),
        selection.content_hash(),
        backbone.model_dump_json(),
        settings.identity(),
        str(seed),
    )
    digest.update("\n".join(parts).encode())
    if backbone.starts_trained:
        # A file of the same name may hold other weights by now.
        for weight in network.get_layer(BACKBONE).get_weights():
            digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()


def _in_float32(
    network: "keras.Model", backbone: BackboneSettings, heads: dict[Target, int], picture: tuple[int, ...]
) -> "keras.Model":
    """The same network with layers that compute in float32, on one device: what trains fast may predict slowly."""
    with use_precision("float32"):
        plain = build_network(backbone.model_copy(update={"weights": "none"}), heads, seed=0, picture=picture)
    plain.set_weights(network.get_weights())
    return plain
