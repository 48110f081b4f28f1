"""One member of a run: a backbone, trained for one target or for several together, to a file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ferkit.backbones import BackboneSettings
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings
from ferkit.data.training_set import TrainingSet
from ferkit.models.face_model import FaceModel
from ferkit.models.selection import NO_DUPLICATES, SelectionSettings, selection_pictures
from ferkit.training.epochs import EpochRecord
from ferkit.training.examples import SelectionExamples, join
from ferkit.training.fine_tune import fine_tune
from ferkit.training.settings import TrainingSettings

__all__ = ["Member", "train_member"]


@dataclass(frozen=True, eq=False)
class Member:
    """A trained member.

    Attributes
    ----------
    models
        The network of the best epoch, for each target. All are the same file.
    history
        One line an epoch, see `ferkit.training.fine_tune.Trained`.
    numbers
        best_epoch, pictures_per_second, and ``trainable_parameters/<phase>``.
    """

    models: dict[Target, FaceModel]
    history: pd.DataFrame
    numbers: dict[str, float]


def train_member(
    faces: FaceDataset,
    training_sets: Mapping[Target, TrainingSet],
    targets: Sequence[TargetSettings],
    backbone: BackboneSettings,
    settings: TrainingSettings,
    seed: int,
    *,
    workspace: Path,
    selection: SelectionSettings = NO_DUPLICATES,
    on_epoch: Callable[[EpochRecord], None] = lambda _record: None,
) -> Member:
    """Fine-tune `backbone`, with a head for each of `targets`, PublicTest of `faces` choosing the epoch.

    Parameters
    ----------
    training_sets
        One for each target.
    workspace
        Each training has a folder in it for its checkpoint and beside that its network; one that was killed goes on
        from what it finds there.
    selection
        Which pictures of PublicTest choose.

    Raises
    ------
    TrainingError, WeightsError, DataError, ConfigError
        As `ferkit.training.fine_tune.fine_tune`, `ferkit.backbones.build_network`, `ferkit.data.targets.labelled`,
        `ferkit.models.selection.selection_pictures` and `ferkit.training.examples.join` do.
    """
    names = [each.name for each in targets]
    trained = fine_tune(
        join(
            {name: training_sets[name] for name in names},
            frozenset(each.name for each in targets if each.multi_label),
        ),
        SelectionExamples.of(selection_pictures(faces, selection), targets),
        backbone,
        settings,
        seed,
        checkpoint=workspace / f"{'+'.join(names)}-{backbone.label}",
        on_epoch=on_epoch,
    )
    saved = FaceModel.save(trained.network, backbone.label, targets[0].name, trained.folder / "network.keras")
    models = {name: replace(saved, target=name) for name in names}
    numbers = {
        "best_epoch": float(trained.best_epoch),
        "pictures_per_second": trained.pictures_per_second,
        **{f"trainable_parameters/{phase}": float(count) for phase, count in trained.trainable.items()},
    }
    return Member(models, trained.history, numbers)
