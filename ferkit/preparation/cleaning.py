"""Pictures that are not a face: found, listed, and left out, with a person having the last word.

Not a face is text, an icon, a logo, a black, flat or striped frame, and a body part, an object or a scene without a
face that can be seen. A face that is badly cropped, turned, covered in part, drawn, sculpted or masked is a face.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from ferkit.data.dataset import FaceDataset, as_faces
from ferkit.data.labels import FERPLUS_VOTES, SPLITS, Split
from ferkit.data.picture_blocks import blocks
from ferkit.errors import DataError
from ferkit.preparation.manifest import MANIFEST_COLUMNS, check_manifest, read_manifest
from ferkit.preparation.non_face_score import non_face_score
from ferkit.settings import Settings

__all__ = ["CleaningResult", "CleaningSettings", "drop_non_faces"]

_NF = FERPLUS_VOTES.index("NF")


class CleaningSettings(Settings):
    """How pictures that are not a face are found, and where they are dropped.

    Attributes
    ----------
    pixels
        Look for them in the pixels (`ferkit.preparation.non_face_score`).
    threshold
        Score from which a picture counts as not a face. Lower finds more and drops more faces.
    ferplus_votes
        Look for them in the FER+ votes too. Off by default: 98 of the 176 pictures that FER+ calls not a face are faces
        that lie on the side, are far away or are cut.
    nf_votes
        NF votes, of ten, from which a picture counts as not a face.
    splits
        Splits that pictures are dropped from. By default Training alone: numbers on PublicTest and PrivateTest are
        compared between papers over 3,589 pictures each, and that count must not depend on our finder. What is found
        in the other splits is still listed in the manifest. The study that this project carries further cleaned all.
    exclude
        A manifest (CSV with row, sha256 and, if a line may also say false, dropped) that overrules the finder: exactly
        the pictures that it says are dropped, from any split. Edit the manifest of an earlier run: delete a line or
        write ``dropped`` false to keep a picture, add a line or write true to drop one.
    """

    pixels: bool = True
    threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    ferplus_votes: bool = False
    nf_votes: int = Field(default=10, ge=1, le=10)
    splits: tuple[Split, ...] = ("Training",)
    exclude: Path | None = None


@dataclass(frozen=True)
class CleaningResult:
    """What a cleaning kept and what it found.

    Attributes
    ----------
    faces
        The pictures that stay, in order.
    manifest
        One line for each picture that was found or listed, by row: ``row``, ``sha256``, ``split``, ``label`` (names),
        ``score`` (NaN where the pixels were not asked), ``reason``, ``dropped``.
    """

    faces: FaceDataset
    manifest: pd.DataFrame


def drop_non_faces(faces: FaceDataset, settings: CleaningSettings) -> CleaningResult:
    """Find the pictures that are not a face and leave them out of `settings.splits`.

    Raises
    ------
    DataError
        If votes are asked for and there are none, the `exclude` manifest is not of this data, or a split would be left
        without a picture.

    Examples
    --------
    >>> from ferkit.sources.synthetic.generate import SyntheticSettings, generate
    >>> faces = generate(SyntheticSettings(count=200)).faces
    >>> result = drop_non_faces(faces, CleaningSettings(splits=("Training",)))
    >>> len(faces) - len(result.faces) == int(result.manifest["dropped"].sum())
    True
    """
    count = len(faces)
    score = _score(faces) if settings.pixels else np.full(count, np.nan, dtype=np.float32)
    by_pixels = score >= settings.threshold
    by_votes = _not_a_face_by_votes(faces, settings)
    found = by_pixels | by_votes
    reason = np.full(count, "", dtype=object)
    reason[by_pixels] = "pixels"
    nf = np.zeros(count, dtype=int) if faces.votes is None else faces.votes[:, _NF]
    for at in np.flatnonzero(by_votes):
        reason[at] = "; ".join(filter(None, [reason[at], f"{nf[at]} NF votes"]))

    if settings.exclude is None:
        dropped = found & np.isin(faces.split, [SPLITS.index(name) for name in settings.splits])
    else:
        listed = check_manifest(read_manifest(settings.exclude), faces, faces.picture_hashes(), settings.exclude)
        dropped = np.zeros(count, dtype=bool)
        places = listed.index.to_numpy()
        dropped[places] = listed["dropped"]
        found[places] = True
        for place, text in zip(places, listed["reason"], strict=True):
            reason[place] = reason[place] or text or f"listed in {settings.exclude.name}"
    _refuse_empty_split(faces, dropped)

    order = np.argsort(faces.row, kind="stable")
    lines = order[found[order]]
    manifest = pd.DataFrame(
        {
            "row": faces.row[lines],
            "sha256": faces.take(lines).picture_hashes(),
            "split": np.array(SPLITS)[faces.split[lines]],
            "label": np.array(faces.classes)[faces.label[lines]],
            "score": score[lines],
            "reason": reason[lines],
            "dropped": dropped[lines],
        },
        columns=list(MANIFEST_COLUMNS),
    )
    return CleaningResult(faces.take(~dropped), manifest)


def _score(faces: FaceDataset) -> NDArray[np.float32]:
    parts = [non_face_score(block) for _, block in blocks(as_faces(faces.images))]
    return np.concatenate([*parts, np.zeros(0, dtype=np.float32)])


def _not_a_face_by_votes(faces: FaceDataset, settings: CleaningSettings) -> NDArray[np.bool_]:
    if not settings.ferplus_votes:
        return np.zeros(len(faces), dtype=bool)
    if faces.votes is None:
        raise DataError(
            "cleaning.ferplus_votes is true, but the data has no FER+ votes: put fer2013new.csv beside fer2013.csv, "
            "or set cleaning.ferplus_votes to false."
        )
    return np.asarray(faces.votes[:, _NF] >= settings.nf_votes)


def _refuse_empty_split(faces: FaceDataset, dropped: NDArray[np.bool_]) -> None:
    for name in SPLITS:
        inside = faces.in_split(name)
        if inside.any() and dropped[inside].all():
            raise DataError(
                f"cleaning would drop all {int(inside.sum())} pictures of {name}, expected faces in it: look at the "
                "pictures, raise cleaning.threshold, or give a manifest in cleaning.exclude."
            )
