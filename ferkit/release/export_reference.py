"""Run folders to the models that ferkit ships: small weights, the vote, and what proves both.

Everything is chosen on PublicTest, and on what the small weights say: the vote, then its temperature. PrivateTest is
read once, after that, for the table.
"""

import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ferkit.bundles.bundle import Bundle, NetworkProgress
from ferkit.bundles.card import CARD, BundleCard, NetworkCard, TargetCard, Vote
from ferkit.bundles.writing import BundledNetwork, bundle_card, ensemble_vote, write_networks
from ferkit.config.run_config import RunConfig
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target
from ferkit.data.targets import labelled
from ferkit.errors import DataError
from ferkit.export.student import write_litert_of
from ferkit.models.ensemble import combine, selection_ensemble
from ferkit.models.face_model import FaceModel, TargetProbabilities
from ferkit.models.predictions import Predictions
from ferkit.models.temperature import selection_temperature
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation
from ferkit.monitoring.profile import write_profile
from ferkit.release.choice import Choice, Source, choose, file_of, find_sources
from ferkit.release.evaluate_bundle import evaluate_bundle
from ferkit.release.model_card import model_card
from ferkit.release.scores_table import SCORES
from ferkit.standalone.folder import RunFolder

__all__ = ["LARGEST_BYTES", "Choice", "export_reference"]

_LOG = logging.getLogger(__name__)

LARGEST_BYTES = 25_000_000
# Between what a run's network and the exported one say about a picture of PublicTest.
_LARGEST_DIFFERENCE = 0.02
_LEAST_AGREEMENT = 0.99
_TTA = {
    "once": NO_TTA,
    "flip": TestTimeAugmentation(flip=True),
    "ten_crop": TestTimeAugmentation(flip=True, crops="five"),
}
# From the root to a file or folder; what is before it tells a path from a fraction or an address.
_ABSOLUTE_PATH = re.compile(r"(?<![\w.:/~-])/(?:[\w.+@-]+/)*[\w.+@-]+")


def export_reference(
    runs: Sequence[Path],
    to: Path,
    faces: FaceDataset,
    choice: Choice,
    *,
    on_pictures: Callable[[str, int, int], None] = lambda _network, _done, _all: None,
) -> Bundle:
    """Make the shipped models in the folder `to` from trainings in run folders; older ones there are replaced.

    Parameters
    ----------
    runs
        Folders as `ferkit.standalone.folder` describes them; several, such as one a seed, share targets and protocols.
        The first one's configuration says how the vote is found.
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
    sources, students = choose(find_sources(runs), choice)
    config = sources[0].config
    tta, student_tta = (_TTA.get(each, config.prediction) for each in (choice.tta, choice.student_tta))
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-") as scratch:
        folder = Path(scratch) / to.name
        folder.mkdir()
        networks = _write_networks([*sources, *students], folder)
        public = faces.of_split("PublicTest")
        draft = _draft(config, networks)
        draft.write(folder)
        bundle = Bundle(folder)
        said = {}
        for source in [*sources, *students]:
            asked = student_tta if source in students else tta
            said[source.name] = _verified(bundle, source, public, asked, on_pictures)
        targets = _votes(config, said, faces, [each.name for each in students])
        card = bundle_card(config.name, networks, targets, tta, student_tta)
        for name in draft.networks.keys() - card.networks.keys():
            _LOG.info("%s gets no vote and is left out", name)
            (folder / networks[name].file).unlink()
        card.write(folder)
        bundle = Bundle(folder)
        for source in students:
            if source.name in card.networks:
                bundle = write_litert_of(bundle, source.name)
                said[source.name] = bundle.predict_network(source.name, public.images, student_tta)
        card = bundle.card
        _LOG.info("judging %d networks on PublicTest and PrivateTest", len(card.networks))
        judged = evaluate_bundle(bundle, faces, public=said, on_pictures=on_pictures)
        judged.scores.to_csv(folder / SCORES, index=False)
        judged.answers.write(folder)
        _copy_run_files(runs, folder)
        records = {each.name: each.record for each in [*sources, *students] if each.name in card.networks}
        text = model_card(card, records, judged.scores, _sizes(folder), choice.commands(runs))
        (folder / "MODEL_CARD.md").write_text(text)
        # Last: the profile names the checksum of reference.json.
        write_profile(folder, bundle, faces, said)
        _check_size(folder)
        if to.exists():
            shutil.rmtree(to)
        folder.rename(to)
    return Bundle(to)


def _write_networks(sources: Sequence[Source], folder: Path) -> dict[str, NetworkCard]:
    networks = [
        BundledNetwork(
            name=source.name,
            label=source.name.partition("-")[2],
            model=FaceModel(source.record.label, source.record.targets[0], source.folder.network),
            backbone=source.record.backbone,
            targets=source.record.targets,
        )
        for source in sources
    ]
    cards = write_networks(networks, folder)
    for card in cards.values():
        _LOG.info("%s: %.1f MB", card.file, (folder / card.file).stat().st_size / 1e6)
    _check_size(folder)
    return cards


def _sizes(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_size for each in sorted(folder.iterdir())}


def _check_size(folder: Path) -> None:
    sizes = _sizes(folder)
    if sum(sizes.values()) > LARGEST_BYTES:
        largest = sorted(sizes.items(), key=lambda item: -item[1])
        raise DataError(
            f"the bundle is {sum(sizes.values()) / 1e6:.1f} MB, at most {LARGEST_BYTES / 1e6:.0f} MB may ship: "
            f"{', '.join(f'{name} {size / 1e6:.1f} MB' for name, size in largest if size > 1e5)}. Name fewer members."
        )


def _draft(config: RunConfig, networks: Mapping[str, NetworkCard]) -> BundleCard:
    """A card whose vote is of no consequence, so that the networks can be asked."""
    targets: dict[Target, TargetCard] = {}
    for target in config.targets:
        heads = [name for name, card in networks.items() if target.name in card.heads]
        if heads:
            targets[target.name] = TargetCard(settings=target, ensemble=Vote(weights={heads[0]: 1.0}))
    return BundleCard(name=config.name, networks=dict(networks), targets=targets)


def _verified(
    bundle: Bundle,
    source: Source,
    public: FaceDataset,
    tta: TestTimeAugmentation,
    on_pictures: Callable[[str, int, int], None],
) -> TargetProbabilities:
    """What an exported network says about PublicTest, once it is shown to be what the run's network said."""

    def predict(seen: TestTimeAugmentation) -> TargetProbabilities:
        told = NetworkProgress(source.name, len(public), on_pictures)
        return bundle.predict_network(source.name, public.images, seen, told)

    said = predict(source.record.prediction)
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
    return said if tta == source.record.prediction else predict(tta)


def _votes(
    config: RunConfig, said: Mapping[str, TargetProbabilities], faces: FaceDataset, students: Sequence[str]
) -> dict[Target, TargetCard]:
    """Weights and temperatures from PublicTest."""
    targets: dict[Target, TargetCard] = {}
    public = faces.of_split("PublicTest")
    for target in config.targets:
        pictures, _ = labelled(public, target)
        kept, classes = np.isin(public.row, pictures.row), target.class_names(public.classes)
        predictions = {
            name: Predictions(target.name, "PublicTest", pictures.row, answers[target.name][kept], classes)
            for name, answers in said.items()
            if target.name in answers
        }
        members = {name: each for name, each in predictions.items() if name not in students}
        if not members:
            _LOG.info("%s: no network that may vote has a head for it, so the bundle does not answer it", target.name)
            continue
        # Who may vote, the export was told; the names in the run's configuration may be others.
        settings = config.ensemble.model_copy(update={"members": None})
        ensemble = selection_ensemble(members, faces, target, config.selection, settings)
        temperature = partial(selection_temperature, faces=faces, target=target, selection=config.selection)
        taught = next((name for name in students if name in predictions), None)
        targets[target.name] = TargetCard(
            settings=target,
            ensemble=ensemble_vote(ensemble, temperature(combine(members, ensemble))),
            student=taught and Vote(weights={taught: 1.0}, temperature=temperature(predictions[taught])),
        )
    return targets


def _copy_run_files(runs: Sequence[Path], folder: Path) -> None:
    """Configuration and log of each run, without where things lay on the machine that trained."""
    for run in runs:
        for file in (RunFolder(run).config, RunFolder(run).log):
            if file.is_file():
                text = _ABSOLUTE_PATH.sub(lambda found: Path(found[0]).name, file.read_text())
                (folder / file_of(file, run, runs)).write_text(text)
