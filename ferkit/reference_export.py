"""Run folders to the reference models that ferkit ships: small weights, the vote, and what proves both.

Everything is chosen on PublicTest, and on what the small weights say: the vote, then its temperature. PrivateTest is
read once, after that, for the table.
"""

import hashlib
import logging
import re
import shlex
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ferkit.config import RunConfig, load_config
from ferkit.dataset import FaceDataset
from ferkit.ensemble import combine, fit_ensemble
from ferkit.errors import DataError
from ferkit.half_precision import write_half
from ferkit.labels import Target, class_names
from ferkit.model import FaceModel
from ferkit.model_card import model_card
from ferkit.predictions import Predictions
from ferkit.reference_card import CARD, NetworkCard, ReferenceCard, TargetCard, Vote
from ferkit.reference_evaluation import NetworkProgress, evaluate_reference
from ferkit.reference_model import Answers, Reference
from ferkit.reference_table import SCORES
from ferkit.run_folder import MemberFolder, RunFolder
from ferkit.run_records import MemberRecord
from ferkit.targets import labelled
from ferkit.temperature import fit_temperature
from ferkit.views import NO_VIEWS, TestTimeAugmentation

__all__ = ["LARGEST_BYTES", "Choice", "Seen", "export_reference"]

_LOG = logging.getLogger(__name__)

LARGEST_BYTES = 25_000_000
# Between what a run's network and the exported one say about a picture of PublicTest.
_LARGEST_DIFFERENCE = 0.02
_LEAST_AGREEMENT = 0.99
Seen = Literal["run", "once", "flip", "ten_crop"]
_VIEWS = {
    "once": NO_VIEWS,
    "flip": TestTimeAugmentation(flip=True),
    "ten_crop": TestTimeAugmentation(flip=True, crops="five"),
}
# From the root to a file or folder; what is before it tells a path from a fraction or an address.
_ABSOLUTE_PATH = re.compile(r"(?<![\w.:/~-])/(?:[\w.+@-]+/)*[\w.+@-]+")


@dataclass(frozen=True)
class Choice:
    """What of the run folders becomes the reference.

    Attributes
    ----------
    members
        Labels of the networks that may vote; all that were not taught if empty.
    student
        Label of the network that was taught by the ensemble; the one that the runs taught, if empty.
    views
        Of each picture, for the ensemble: ``run``, as the first run predicts; ``once``; ``flip``; ``ten_crop``.
    student_views
        The same for the student, whose point is speed.
    """

    members: tuple[str, ...] = ()
    student: str | None = None
    views: Seen = "run"
    student_views: Seen = "once"

    def commands(self, runs: Sequence[Path]) -> list[str]:
        """The commands that train the runs and make this choice."""
        names = [run.resolve().name for run in runs]
        lines = [
            f"python -m ferkit.training {_file_of(RunFolder(run).config, run, runs)} --out {name} --set data.path=data"
            for run, name in zip(runs, names, strict=True)
        ]
        words = [*names, "--data", "data"]
        words += ["--members", ",".join(self.members)] if self.members else []
        words += ["--student", self.student] if self.student else []
        words += ["--views", self.views, "--student-views", self.student_views]
        return [*lines, shlex.join(["ferkit", "export-reference", *words])]


@dataclass(frozen=True)
class _Source:
    """A finished training."""

    name: str
    folder: MemberFolder
    record: MemberRecord
    config: RunConfig

    @property
    def is_student(self) -> bool:
        """Whether the ensemble of its run taught it."""
        return self.record.distillation is not None


def export_reference(
    runs: Sequence[Path],
    to: Path,
    faces: FaceDataset,
    choice: Choice,
    *,
    on_pictures: Callable[[str, int, int], None] = lambda _network, _done, _all: None,
) -> Reference:
    """Make the reference models in the folder `to` from trainings in run folders; older ones there are replaced.

    Parameters
    ----------
    runs
        Folders as `ferkit.run_folder` describes them; several, such as one a seed, share targets and protocols. The
        first one's configuration says how the vote is found.
    faces
        The data that the runs read.

    Raises
    ------
    DataError
        If a training is missing or unfinished, all files are larger than 25 MB, or what the small weights say about
        PublicTest is not what the run says. `to` is then as it was.
    """
    if to.exists() and any(to.iterdir()) and not (to / CARD).is_file():
        raise DataError(f"{to}: there are files but no {CARD}, so nothing is replaced there; name another folder.")
    sources, students = _choose(_found(runs), choice)
    config = sources[0].config
    views, student_views = (_VIEWS.get(each, config.prediction) for each in (choice.views, choice.student_views))
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as scratch:
        folder = Path(scratch) / to.name
        folder.mkdir()
        networks = _write_networks([*sources, *students], folder)
        public = faces.of_split("PublicTest")
        draft = _draft(config, networks)
        draft.write(folder)
        reference = Reference(folder)
        said = {}
        for source in [*sources, *students]:
            asked = student_views if source in students else views
            said[source.name] = _verified(reference, source, public, asked, on_pictures)
        card = _vote(config, networks, said, public, [each.name for each in students])
        card = card.model_copy(update={"views": views, "student_views": student_views})
        for name in draft.networks.keys() - card.networks.keys():
            _LOG.info("%s gets no vote and is left out", name)
            (folder / networks[name].file).unlink()
        card.write(folder)
        reference = Reference(folder)
        _LOG.info("judging %d networks on PublicTest and PrivateTest", len(card.networks))
        judged = evaluate_reference(reference, faces, public=said, on_pictures=on_pictures)
        judged.scores.to_csv(folder / SCORES, index=False)
        judged.answers.write(folder)
        _copy_run_files(runs, folder)
        records = {each.name: each.record for each in [*sources, *students] if each.name in card.networks}
        text = model_card(card, records, judged.scores, _sizes(folder), choice.commands(runs))
        (folder / "MODEL_CARD.md").write_text(text)
        _check_size(folder)
        if to.exists():
            shutil.rmtree(to)
        folder.rename(to)
    return Reference(to)


def _found(runs: Sequence[Path]) -> list[_Source]:
    """Every finished training; trainings of the same name in several runs are told apart by their run."""
    found = []
    configs = [load_config(RunFolder(run).config) for run in runs]
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
            f"{', '.join(map(str, runs))}: no finished training there; run `python -m ferkit.training` first."
        )
    count = Counter(name for name, *_ in found)
    sources = [
        _Source(f"{name}-{run}" if count[name] > 1 else name, member, record, config)
        for name, run, member, record, config in found
    ]
    if len({each.name for each in sources}) < len(sources):
        raise DataError(f"{', '.join(map(str, runs))}: two run folders have the same name; rename one.")
    return sources


def _choose(found: Sequence[_Source], choice: Choice) -> tuple[list[_Source], list[_Source]]:
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


def _write_networks(sources: Sequence[_Source], folder: Path) -> dict[str, NetworkCard]:
    cards = {}
    for source in sources:
        record = source.record
        model = FaceModel(record.label, record.targets[0], source.folder.network)
        file = folder / f"{source.name}.npz"
        write_half(model.network, file)
        cards[source.name] = NetworkCard(
            label=source.name.partition("-")[2],
            backbone=record.backbone.model_copy(update={"weights": "none"}),
            heads={target: len(class_names(target)) for target in record.targets},
            file=file.name,
            sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        )
        _LOG.info("%s: %.1f MB", file.name, file.stat().st_size / 1e6)
    _check_size(folder)
    return cards


def _sizes(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_size for each in sorted(folder.iterdir())}


def _check_size(folder: Path) -> None:
    sizes = _sizes(folder)
    if sum(sizes.values()) > LARGEST_BYTES:
        largest = sorted(sizes.items(), key=lambda item: -item[1])
        raise DataError(
            f"the reference is {sum(sizes.values()) / 1e6:.1f} MB, at most {LARGEST_BYTES / 1e6:.0f} MB may ship: "
            f"{', '.join(f'{name} {size / 1e6:.1f} MB' for name, size in largest if size > 1e5)}. Name fewer members."
        )


def _draft(config: RunConfig, networks: Mapping[str, NetworkCard]) -> ReferenceCard:
    """A card whose vote is of no consequence, so that the networks can be asked."""
    targets: dict[Target, TargetCard] = {}
    for target in config.targets:
        heads = [name for name, card in networks.items() if target.name in card.heads]
        if heads:
            targets[target.name] = TargetCard(settings=target, ensemble=Vote(weights={heads[0]: 1.0}))
    return ReferenceCard(name=config.name, networks=dict(networks), targets=targets)


def _verified(
    reference: Reference,
    source: _Source,
    public: FaceDataset,
    views: TestTimeAugmentation,
    on_pictures: Callable[[str, int, int], None],
) -> Answers:
    """What an exported network says about PublicTest, once it is shown to be what the run's network said."""

    def ask(seen: TestTimeAugmentation) -> Answers:
        told = NetworkProgress(source.name, len(public), on_pictures)
        return reference.ask(source.name, public.images, seen, told)

    said = ask(source.record.prediction)
    for target in source.record.targets:
        stored = source.folder.read_predictions(target, "PublicTest")
        if not np.isin(stored.row, public.row).all():
            raise DataError(
                f"{source.name}: its run judged pictures of PublicTest that are not in this data; give the run's data."
            )
        at = np.searchsorted(public.row, stored.row)
        difference = float(np.abs(said[target][at] - stored.probabilities).max())
        agreement = float((said[target][at].argmax(axis=1) == stored.label).mean())
        _LOG.info(
            "%s, %s: largest difference %.4f, same class %.2f %%", source.name, target, difference, 100 * agreement
        )
        if difference > _LARGEST_DIFFERENCE or agreement < _LEAST_AGREEMENT:
            raise DataError(
                f"{source.name}, {target}: the exported weights differ by up to {difference:.4f} in probability from "
                f"the run on PublicTest and agree on {100 * agreement:.2f} % of the classes; expected at most "
                f"{_LARGEST_DIFFERENCE} and at least {100 * _LEAST_AGREEMENT:g} %. The run trained in "
                f"{source.record.precision}: did it also predict so?"
            )
    return said if views == source.record.prediction else ask(views)


def _vote(
    config: RunConfig,
    networks: Mapping[str, NetworkCard],
    said: Mapping[str, Answers],
    public: FaceDataset,
    students: Sequence[str],
) -> ReferenceCard:
    """Weights and temperatures from PublicTest, and the networks that have a say."""
    targets: dict[Target, TargetCard] = {}
    for target in config.targets:
        pictures, labels = labelled(public, target.name, target.protocol)
        kept = np.isin(public.row, pictures.row)
        predictions = {
            name: Predictions(target.name, "PublicTest", pictures.row, answers[target.name][kept])
            for name, answers in said.items()
            if target.name in answers
        }
        members = {name: each for name, each in predictions.items() if name not in students}
        if not members:
            _LOG.info(
                "%s: no network that may vote has a head for it, so the reference does not answer it", target.name
            )
            continue
        ensemble = fit_ensemble(members, labels, config.ensemble.model_copy(update={"members": None}))
        weights = {name: weight for name, weight in zip(ensemble.members, ensemble.weights, strict=True) if weight > 0}
        vote = Vote(weights=weights, temperature=fit_temperature(combine(members, ensemble), labels))
        taught = next((name for name in students if name in predictions), None)
        targets[target.name] = TargetCard(
            settings=target,
            ensemble=vote,
            student=taught and Vote(weights={taught: 1.0}, temperature=fit_temperature(predictions[taught], labels)),
        )
    used = {
        name for card in targets.values() for vote in (card.ensemble, card.student) if vote for name in vote.weights
    }
    return ReferenceCard(
        name=config.name, networks={name: card for name, card in networks.items() if name in used}, targets=targets
    )


def _copy_run_files(runs: Sequence[Path], folder: Path) -> None:
    """Configuration and log of each run, without where things lay on the machine that trained."""
    for run in runs:
        for file in (RunFolder(run).config, RunFolder(run).log):
            if file.is_file():
                text = _ABSOLUTE_PATH.sub(lambda found: Path(found[0]).name, file.read_text())
                (folder / _file_of(file, run, runs)).write_text(text)


def _file_of(file: Path, run: Path, runs: Sequence[Path]) -> str:
    """What a file of one of several runs is called in the reference."""
    return f"{file.stem}-{run.resolve().name}{file.suffix}" if len(runs) > 1 else file.name
