"""Which trainings in run folders become the shipped models."""

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferkit.config.loading import load_stored_config
from ferkit.config.run_config import RunConfig
from ferkit.errors import DataError
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.member_folder import MemberFolder
from ferkit.standalone.records import MemberRecord

__all__ = ["Choice", "Seen", "Source", "choose", "file_of", "find_sources"]

Seen = Literal["run", "once", "flip", "ten_crop"]


@dataclass(frozen=True)
class Choice:
    """What of the run folders becomes a bundle.

    Attributes
    ----------
    members
        Labels of the networks that may vote; all that were not taught if empty.
    student
        Label of the network that was taught by the ensemble; the one that the runs taught, if empty.
    tta
        Test-time augmentation of the ensemble: ``run``, as the first run predicts; ``once``; ``flip``; ``ten_crop``.
    student_tta
        The same for the student, whose point is speed.
    """

    members: tuple[str, ...] = ()
    student: str | None = None
    tta: Seen = "run"
    student_tta: Seen = "once"

    def commands(self, runs: Sequence[Path]) -> list[str]:
        """The commands that train the runs and make this choice."""
        names = [run.resolve().name for run in runs]
        lines = [
            f"python -m ferkit.standalone {file_of(RunFolder(run).config, run, runs)} --out {name} --set data.path=data"
            for run, name in zip(runs, names, strict=True)
        ]
        words = [*names, "--data", "data"]
        words += ["--members", ",".join(self.members)] if self.members else []
        words += ["--student", self.student] if self.student else []
        words += ["--views", self.tta, "--student-views", self.student_tta]
        return [*lines, shlex.join(["ferkit", "export-reference", *words])]


@dataclass(frozen=True)
class Source:
    """A finished training."""

    name: str
    folder: MemberFolder
    record: MemberRecord
    config: RunConfig

    @property
    def is_student(self) -> bool:
        """Whether the ensemble of its run taught it."""
        return self.record.distillation is not None


def find_sources(runs: Sequence[Path]) -> list[Source]:
    """Every finished training; trainings of the same name in several runs are told apart by their run."""
    found = []
    configs = [load_stored_config(RunFolder(run).config) for run in runs]
    for run, config in zip(runs, configs, strict=True):
        folder = RunFolder(run)
        folder.read_record()
        if config.targets != configs[0].targets:
            raise DataError(f"{run}: its targets or their protocols are not those of {runs[0]}; export one of the two.")
        for path in sorted(each.parent for each in folder.trainings.glob("*/member.json")):
            member = MemberFolder(path)
            found.append((path.name, run.resolve().name, member, member.check(), config))
    if not found:
        raise DataError(
            f"{', '.join(map(str, runs))}: no finished training there; run `python -m ferkit.standalone` first."
        )
    count = Counter(name for name, *_ in found)
    sources = [
        Source(f"{name}-{run}" if count[name] > 1 else name, member, record, config)
        for name, run, member, record, config in found
    ]
    if len({each.name for each in sources}) < len(sources):
        raise DataError(f"{', '.join(map(str, runs))}: two run folders have the same name; rename one.")
    return sources


def choose(found: Sequence[Source], choice: Choice) -> tuple[list[Source], list[Source]]:
    """The trainings that may vote, and those of the student."""
    labels = sorted({each.record.label for each in found})
    taught = sorted({each.record.label for each in found if each.is_student})
    if unknown := {*choice.members, *([choice.student] if choice.student else [])} - set(labels):
        raise DataError(f"no finished training of {', '.join(sorted(unknown))}; there are {', '.join(labels)}.")
    if choice.student is None and len(taught) > 1:
        raise DataError(f"the runs taught {', '.join(taught)}: name the one that is to be the student.")
    student = choice.student or (taught[0] if taught else None)
    students = [each for each in found if each.record.label == student]
    targets = [target for each in students for target in each.record.targets]
    if len(set(targets)) < len(targets):
        names = ", ".join(each.name for each in students)
        raise DataError(f"the student is one network a target, found {names}: name fewer run folders.")
    voters = choice.members or [label for label in labels if label not in taught]
    members = [each for each in found if each.record.label in voters and each not in students]
    if not members:
        raise DataError(f"nobody is left to vote among the finished trainings: {', '.join(labels)}.")
    return members, students


def file_of(file: Path, run: Path, runs: Sequence[Path]) -> str:
    """What a file of one of several runs is called in the bundle."""
    return f"{file.stem}-{run.resolve().name}{file.suffix}" if len(runs) > 1 else file.name
