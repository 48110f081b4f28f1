"""Trained networks to the models that ferkit ships: small weights, votes, and what proves both.

Everything is chosen on PublicTest, without the pictures that other splits have, too, and on what the small weights say:
the vote, the precision of the weights, then temperatures. PrivateTest is read once, after that, for the table.
"""

import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ferkit.bundles.bundle import Bundle
from ferkit.bundles.card import CARD, ModelName, TargetCard, Vote
from ferkit.bundles.parity import Precision, require_parity
from ferkit.bundles.weights import StoredPrecision
from ferkit.bundles.writing import write_bundle
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.errors import DataError
from ferkit.export.student import write_litert_of
from ferkit.models.face_model import TargetProbabilities
from ferkit.models.network_progress import NetworkProgress
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation
from ferkit.monitoring.profile import write_profile
from ferkit.release.choice import Choice, Chosen, choose, file_of
from ferkit.release.evaluate_bundle import evaluate_bundle
from ferkit.release.model_card import model_card
from ferkit.release.scores_table import SCORES
from ferkit.release.selection import Selection
from ferkit.release.sources import Source, Sources
from ferkit.release.trainings import TRAININGS, Trainings
from ferkit.standalone.folder import RunFolder

__all__ = ["LARGEST_BYTES", "LARGEST_DEFAULT", "Choice", "export_reference"]

_LOG = logging.getLogger(__name__)

# Of all files; of the default network as LiteRT.
LARGEST_BYTES = 40_000_000
LARGEST_DEFAULT = 6_000_000
_TTA = {
    "once": NO_TTA,
    "flip": TestTimeAugmentation(flip=True),
    "ten_crop": TestTimeAugmentation(flip=True, crops="five"),
}
# Of the LiteRT file of a network, by the precision of its stored weights; those that are to be tried first come first.
# On one core with VNNI, dlib_resnet at 96 pixels takes 0.9 ms a face with int8_dynamic, 3.1 with int8_weights, 3.4 in
# float32.
_LITERT: dict[StoredPrecision, tuple[Precision, ...]] = {
    "float16": ("mixed_weights", "float32"),
    "int8": ("int8_dynamic", "int8_weights"),
}
# From the root to a file or folder; what is before it tells a path from a fraction or an address.
_ABSOLUTE_PATH = re.compile(r"(?<![\w.:/~-])/(?:[\w.+@-]+/)*[\w.+@-]+")

OnPictures = Callable[[str, int, int], None]


def export_reference(
    runs: Sequence[Path],
    to: Path,
    faces: FaceDataset,
    choice: Choice,
    *,
    keep: Path | None = None,
    on_pictures: OnPictures = lambda _network, _done, _all: None,
) -> Bundle:
    """Make the shipped models in the folder `to` from trained networks; older ones there are replaced.

    Parameters
    ----------
    runs
        Folders as `ferkit.standalone.folder` describes them; several, such as one a seed, share targets and protocols.
        The first one's configuration says how the vote is found.
    faces
        The data that the runs read.
    keep
        A folder that this function wrote: its models stay unless `choice` names others. May be `to`.

    Raises
    ------
    DataError
        If a training is missing or unfinished, or all files are larger than 40 MB. `to` is then as it was.
    ParityError
        If what the small weights say about PublicTest is not what the run says. `to` is then as it was.
    """
    if to.exists() and any(to.iterdir()) and not (to / CARD).is_file():
        raise DataError(f"{to}: there are files but no {CARD}, so nothing is replaced there; name another folder.")
    if not runs and not keep:
        raise DataError("no networks: name run folders, or a folder of models to keep.")
    sources = Sources.read(runs, keep)
    chosen = choose(sources, choice)
    seen = {"vote": choice.tta, "default": choice.default_tta, "tiny": choice.tiny_tta}
    tta: dict[ModelName, TestTimeAugmentation] = {
        "vote": _TTA.get(seen["vote"], sources.prediction),
        "default": _TTA.get(seen["default"], sources.prediction),
        "tiny": _TTA.get(seen["tiny"], sources.prediction),
    }
    public = faces.of_split("PublicTest")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as place:
        scratch = Path(place)
        drafts = _Drafts(scratch, sources, chosen, tta, public, on_pictures)
        half = drafts.verified()
        selection = Selection(sources, faces, chosen)
        votes = selection.votes(half)
        small = drafts.predict_in_8_bits(votes)
        precision = selection.precision(votes, half, small)
        predicted = {name: small[name] if precision[name] == "int8" else half[name] for name in small}
        votes = selection.with_temperatures(votes, predicted)
        folder = scratch / to.name
        networks = [each.bundled for each in chosen.networks]
        bundle = write_bundle(folder, sources.name, networks, votes, tta, precision)
        # Before what takes minutes; nothing that is added makes it smaller.
        _check_size(bundle)
        bundle = _Quick(selection, public, on_pictures).write(bundle, half, predicted)
        _LOG.info("judging %d networks on PublicTest and PrivateTest", len(bundle.card.networks))
        judged = evaluate_bundle(bundle, faces, public=predicted, on_pictures=on_pictures)
        judged.scores.to_csv(folder / SCORES, index=False)
        judged.answers.write(folder)
        _copy_run_files(sources, folder, keep)
        before = sources.kept[1].commands if sources.kept else ()
        records = {each.name: each.record for each in chosen.networks if each.name in bundle.card.networks}
        trainings = Trainings(commands=(*before, *choice.commands(runs, keep)), networks=records)
        (folder / TRAININGS).write_text(_without_places(trainings.model_dump_json(indent=1)) + "\n")
        (folder / "MODEL_CARD.md").write_text(model_card(bundle.card, trainings, judged.scores, _sizes(folder)))
        # Last: the profile names the checksum of reference.json.
        write_profile(folder, bundle, faces, predicted)
        _check_size(bundle)
        if to.exists():
            shutil.rmtree(to)
        folder.rename(to)
    return Bundle(to)


class _Drafts:
    """Bundles that are written to be asked, before it is known how their networks vote."""

    def __init__(
        self,
        folder: Path,
        sources: Sources,
        chosen: Chosen,
        tta: Mapping[ModelName, TestTimeAugmentation],
        public: FaceDataset,
        on_pictures: OnPictures,
    ) -> None:
        self._folder, self._sources, self._chosen = folder, sources, chosen
        self._tta, self._public, self._on_pictures = tta, public, on_pictures

    def verified(self) -> dict[str, TargetProbabilities]:
        """What each network says about PublicTest in half precision, once it is shown to be what its run said."""
        draft = self._write("float16", self._equal_votes())
        return {each.name: self._verified(draft, each) for each in self._chosen.networks}

    def predict_in_8_bits(self, votes: Mapping[Target, TargetCard]) -> dict[str, TargetProbabilities]:
        """What the networks that have a say in `votes` say about PublicTest with weights in 8 bits."""
        draft = self._write("int8", votes)
        return {name: self._predict(draft, name) for name in draft.card.networks}

    def _write(self, name: StoredPrecision, votes: Mapping[Target, TargetCard]) -> Bundle:
        networks = [each.bundled for each in self._chosen.networks]
        precision = {each.name: name for each in networks}
        return write_bundle(self._folder / name, self._sources.name, networks, votes, self._tta, precision)

    def _equal_votes(self) -> dict[Target, TargetCard]:
        """Votes in which every network has a share, so that all are written."""
        groups = {"vote": self._chosen.members, "default": self._chosen.default, "tiny": self._chosen.tiny}
        cards: dict[Target, TargetCard] = {}
        for target in self._sources.targets:
            heads = {
                model: [each.name for each in group if target.name in each.record.targets]
                for model, group in groups.items()
            }
            votes = {
                model: Vote(weights=dict.fromkeys(names, 1 / len(names))) for model, names in heads.items() if names
            }
            if "vote" in votes:
                classes = target.class_names(self._public.classes)
                cards[target.name] = TargetCard(settings=target, classes=classes, **votes)
            else:
                _LOG.info("%s: no network that may vote has a head for it, so the bundle does not answer", target.name)
        return cards

    def _predict(self, bundle: Bundle, name: str, tta: TestTimeAugmentation | None = None) -> TargetProbabilities:
        progress = NetworkProgress(name, len(self._public), self._on_pictures)
        return bundle.predict_network(name, bundle.input.read(self._public.images), progress, tta)

    def _verified(self, bundle: Bundle, source: Source) -> TargetProbabilities:
        if source.folder is None:
            # What is kept is in half precision or less already: nothing was lost.
            return self._predict(bundle, source.name)
        predicted = self._predict(bundle, source.name, source.record.prediction)
        for target in source.record.targets:
            stored = source.folder.read_predictions(target, "PublicTest")
            if not np.isin(stored.row, self._public.row).all():
                raise DataError(
                    f"{source.name}: its run judged pictures of PublicTest that are not in this data; give the run's."
                )
            at = np.searchsorted(self._public.row, stored.row)
            found = require_parity(
                source.name, {target: stored.probabilities}, {target: predicted[target][at]}, "float16"
            )[target]
            _LOG.info(
                "%s, %s: largest difference %.4f, same class %.2f %%",
                source.name, target, found.largest, 100 * found.agreement,
            )  # fmt: skip
        same = bundle.card.tta_of(source.name) == source.record.prediction
        return predicted if same else self._predict(bundle, source.name)


class _Quick:
    """Writes networks as LiteRT files: the quickest, then smallest with which their model answers as before."""

    def __init__(self, selection: Selection, public: FaceDataset, on_pictures: OnPictures) -> None:
        self._selection, self._public, self._on_pictures = selection, public, on_pictures

    def write(
        self, bundle: Bundle, half: Mapping[str, TargetProbabilities], predicted: dict[str, TargetProbabilities]
    ) -> Bundle:
        """The same bundle with files of its default and its tiny network; what these say takes its place in `said`.

        It is held to what the networks say in half precision.
        """
        votes = bundle.card.targets
        for model in (each for each in bundle.card.models if each != "vote"):
            for name in sorted(bundle.card.networks_of(model)):
                precisions = _LITERT[bundle.card.networks[name].precision]
                for precision in precisions:
                    bundle = write_litert_of(bundle, name, precision)
                    progress = NetworkProgress(name, len(self._public), self._on_pictures)
                    found = bundle.predict_network(name, bundle.input.read(self._public.images), progress)
                    if precision == precisions[-1] or self._selection.keeps(
                        votes, model, half, {**predicted, name: found}
                    ):
                        break
                _LOG.info("%s as LiteRT: %s", name, precision)
                predicted[name] = found
        return bundle


def _sizes(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_size for each in sorted(folder.iterdir())}


def _check_size(bundle: Bundle) -> None:
    sizes = _sizes(bundle.folder)
    if sum(sizes.values()) > LARGEST_BYTES:
        largest = sorted(sizes.items(), key=lambda item: -item[1])
        raise DataError(
            f"the bundle is {sum(sizes.values()) / 1e6:.1f} MB, at most {LARGEST_BYTES / 1e6:.0f} MB may ship: "
            f"{', '.join(f'{name} {size / 1e6:.1f} MB' for name, size in largest if size > 1e5)}. Name fewer members."
        )
    for name in bundle.card.networks_of("default"):
        litert = bundle.card.networks[name].litert
        if litert and sizes[litert.file] > LARGEST_DEFAULT:
            raise DataError(
                f"{litert.file} is {sizes[litert.file] / 1e6:.1f} MB, the default network may have at most "
                f"{LARGEST_DEFAULT / 1e6:.0f} MB: choose a smaller one."
            )


def _copy_run_files(sources: Sources, folder: Path, keep: Path | None) -> None:
    """Configuration and log of each run, without where things lay on the machine that trained."""
    for file in sorted((*keep.glob("config*.yaml"), *keep.glob("training*.log"))) if keep else ():
        shutil.copy(file, folder)
    for run in sources.runs:
        for file in (RunFolder(run).config, RunFolder(run).log):
            if file.is_file():
                (folder / file_of(file, run, sources.runs, keep)).write_text(_without_places(file.read_text()))


def _without_places(text: str) -> str:
    return _ABSOLUTE_PATH.sub(lambda found: Path(found[0]).name, text)
