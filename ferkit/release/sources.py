"""The trained networks that shipped models are made of: those of run folders, and those that ship already."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ferkit.bundles.bundle import Bundle
from ferkit.bundles.writing import BundledNetwork, TrainedNetwork
from ferkit.config.loading import load_stored_config
from ferkit.config.run_config import RunConfig
from ferkit.data.targets import TargetSettings
from ferkit.errors import DataError
from ferkit.models.ensemble import EnsembleSettings
from ferkit.models.face_model import FaceModel
from ferkit.models.selection import NO_DUPLICATES, SelectionSettings
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation
from ferkit.release.trainings import Trainings
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.member_folder import MemberFolder
from ferkit.standalone.records import MemberRecord

if TYPE_CHECKING:
    import keras

__all__ = ["Source", "Sources"]


@dataclass(frozen=True, eq=False)
class Source:
    """A trained network.

    Attributes
    ----------
    name
        What the bundle calls it.
    record
        How it was trained.
    model
        The network, read when it is asked for.
    folder
        Of its training; None of a network that ships already.
    twin
        The same network under the name with which it votes, where it is another model, too.
    """

    name: str
    record: MemberRecord
    model: TrainedNetwork
    folder: MemberFolder | None
    twin: "Source | None" = None

    @property
    def label(self) -> str:
        """What its run called it; of several of the same name, with their run."""
        return self.twin.label if self.twin else self.name.partition("-")[2]

    @property
    def is_taught(self) -> bool:
        """Whether it learned from the answers of a vote."""
        return self.record.distillation is not None

    @property
    def bundled(self) -> BundledNetwork:
        """As a bundle is written from it."""
        return BundledNetwork(self.name, self.label, self.model, self.record.backbone, self.record.targets)


@dataclass(frozen=True)
class Sources:
    """Everything that can be chosen from.

    Attributes
    ----------
    found
        Of the runs, then of the bundle that is kept.
    runs
        Their folders.
    configs
        One a run.
    kept
        The bundle whose models stay unless others are chosen, and how its networks were trained.
    """

    found: tuple[Source, ...]
    runs: tuple[Path, ...]
    configs: tuple[RunConfig, ...]
    kept: tuple[Bundle, Trainings] | None

    @classmethod
    def read(cls, runs: Sequence[Path], keep: Path | None) -> Self:
        """Every finished training; trainings of the same name are told apart by their run.

        Raises
        ------
        DataError
            If there is none, one is damaged, or targets and protocols differ.
        """
        configs = [load_stored_config(RunFolder(run).config) for run in runs]
        # By Keras: the file that is exported for quick answers is made from it.
        kept = (Bundle(keep, quick=False), Trainings.read(keep)) if keep else None
        wanted = [each.settings for each in kept[0].card.targets.values()] if kept else list(configs[0].targets)
        trainings: list[tuple[str, str, MemberFolder, MemberRecord]] = []
        for run, config in zip(runs, configs, strict=True):
            RunFolder(run).read_record()
            if list(config.targets) != wanted:
                raise DataError(
                    f"{run}: its targets or their protocols are not those of {keep or runs[0]}; export one of the two."
                )
            finished = sorted(each.parent for each in RunFolder(run).trainings.glob("*/member.json"))
            members = [MemberFolder(path) for path in finished]
            trainings += [(each.path.name, run.resolve().name, each, each.check()) for each in members]
        if runs and not trainings:
            raise DataError(
                f"{', '.join(map(str, runs))}: no finished training there; run `python -m ferkit.standalone` first."
            )
        there = kept[0].card.networks if kept else {}
        count = Counter([*(name for name, *_ in trainings), *there])
        found = [
            Source(
                f"{name}-{run}" if count[name] > 1 else name,
                record,
                FaceModel(record.label, record.targets[0], folder.network),
                folder,
            )
            for name, run, folder, record in trainings
        ]
        if kept:
            whole = [name for name, card in there.items() if card.weights_of == name]
            found += [Source(name, _record(name, kept[1]), _Kept(kept[0], name), None) for name in whole]
        if len({each.name for each in found}) < len(found):
            raise DataError(f"{', '.join(map(str, runs))}: two run folders have the same name; rename one.")
        return cls(tuple(found), tuple(runs), tuple(configs), kept)

    @property
    def name(self) -> str:
        """Of the bundle that is made."""
        return self.kept[0].card.name if self.kept else self.configs[0].name

    @property
    def targets(self) -> tuple[TargetSettings, ...]:
        """What can be answered, with the protocols of the labels."""
        if self.kept:
            return tuple(each.settings for each in self.kept[0].card.targets.values())
        return tuple(self.configs[0].targets)

    @property
    def prediction(self) -> TestTimeAugmentation:
        """Of the vote that is kept, or as the first run predicts."""
        return self.kept[0].card.tta.get("vote", NO_TTA) if self.kept else self.configs[0].prediction

    @property
    def selection(self) -> SelectionSettings:
        """Which pictures of PublicTest choose: as in the first run."""
        return self.configs[0].selection if self.configs else NO_DUPLICATES

    @property
    def ensemble(self) -> EnsembleSettings:
        """How a vote is found: as in the first run, among those that are chosen."""
        settings = self.configs[0].ensemble if self.configs else EnsembleSettings()
        return settings.model_copy(update={"members": None})


@dataclass(frozen=True, eq=False)
class _Kept:
    """A network of a bundle."""

    bundle: Bundle
    name: str

    @cached_property
    def network(self) -> "keras.Model":
        return self.bundle.network(self.name)


def _record(name: str, trainings: Trainings) -> MemberRecord:
    if name not in trainings.networks:
        raise DataError(f"trainings.json: no record of {name}, expected one of every network of its bundle.")
    return trainings.networks[name]
