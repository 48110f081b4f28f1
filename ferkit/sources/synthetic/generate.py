"""Faces that are drawn: a data set whose every flaw is known to its generator.

It stands in for FER-2013 where that is not at hand, in tests, demonstrations and first runs: imbalanced like FER-2013,
with wrong labels, exact duplicates and pictures that are not a face.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ferkit.data.dataset import SIZE, FaceDataset
from ferkit.data.labels import FERPLUS_EMOTIONS, FERPLUS_TO_FER
from ferkit.sources.split_settings import SplitSource
from ferkit.sources.synthetic.action_units import ACTION_UNITS, draw_intensities
from ferkit.sources.synthetic.annotation import cast_votes
from ferkit.sources.synthetic.drawing import draw_face
from ferkit.sources.synthetic.non_faces import draw_non_face
from ferkit.sources.synthetic.plan import Plan, make_plan

__all__ = ["SyntheticFaces", "SyntheticSettings", "generate"]

Share = Annotated[float, Field(ge=0, le=0.3)]


class SyntheticSettings(SplitSource):
    """How many faces to draw, and what is wrong with them.

    Attributes
    ----------
    count
        Pictures: 80 % Training, 10 % PublicTest, 10 % PrivateTest.
    seed
        The same settings give the same bytes.
    label_noise
        Share of the pictures of a face whose label is that of another expression; copies of them add a few.
    duplicates
        Share of the pictures that are the bytes of a Training picture; one in eight carries another label than it
        (none where `label_noise` is 0).
    non_faces
        Share of the pictures that are no face, but at least four of each of the six kinds unless it is 0.
    """

    source: Literal["synthetic"] = "synthetic"
    count: int = Field(default=2400, ge=200)
    seed: int = Field(default=0, ge=0)
    label_noise: Share = 0.1
    duplicates: Share = 0.03
    non_faces: Share = 0.01


@dataclass(frozen=True, eq=False)
class SyntheticFaces:
    """Drawn faces, and what the generator knows of them.

    Attributes
    ----------
    faces
        The pictures, Training first, then PublicTest, then PrivateTest, as in fer2013.csv; ten votes each.
    expression : (N,) int8
        The expression drawn, an index into `ferkit.data.labels.FERPLUS_EMOTIONS`; -1 for a picture that is no face.
    is_face : (N,) bool
    duplicate_of : (N,) int64
        First row with the same bytes, -1 for a picture that is the first or only one.
    label_is_wrong : (N,) bool
        The label is not the expression's. Contempt, which FER-2013 cannot say, and non-faces are never wrong.
    action_units : (N, 14) float32
        Intensity 0..1 of each of `ferkit.sources.synthetic.action_units.ACTION_UNITS`.
    """

    faces: FaceDataset
    expression: NDArray[np.int8]
    is_face: NDArray[np.bool_]
    duplicate_of: NDArray[np.int64]
    label_is_wrong: NDArray[np.bool_]
    action_units: NDArray[np.float32]


def generate(settings: SyntheticSettings) -> SyntheticFaces:
    """Draw the faces; about 3 ms each on one core.

    Examples
    --------
    >>> drawn = generate(SyntheticSettings(count=200, label_noise=0.1))
    >>> len(drawn.faces), len(drawn.faces.of_split("Training"))
    (200, 160)
    >>> 0 < int(drawn.label_is_wrong.sum()) < 40
    True
    """
    plan = make_plan(
        count=settings.count,
        label_noise=settings.label_noise,
        duplicates=settings.duplicates,
        non_faces=settings.non_faces,
        rng=np.random.default_rng(settings.seed),
    )
    images, action_units = _draw(plan, settings.seed)
    strength = np.where(
        plan.expression > 0, action_units.sum(axis=1) / np.maximum(1, (action_units > 0).sum(axis=1)), 0.8
    )
    votes = np.stack(
        [
            cast_votes(int(expression), float(strength[row]), np.random.default_rng([settings.seed, row, 1]))
            for row, expression in enumerate(plan.expression)
        ]
    )
    faces = FaceDataset(images, plan.label, plan.split, np.arange(settings.count, dtype=np.int64), votes)
    shown = np.where(plan.expression >= 0, FERPLUS_TO_FER[plan.expression], -1)
    return SyntheticFaces(
        faces=faces,
        expression=plan.expression,
        is_face=plan.expression >= 0,
        duplicate_of=_duplicates(faces),
        label_is_wrong=(shown >= 0) & (shown != plan.label),
        action_units=action_units,
    )


def _draw(plan: Plan, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Pictures and AU intensities; a copied row is that of its source, which is always an earlier one."""
    count = len(plan.label)
    images = np.zeros((count, SIZE, SIZE), dtype=np.uint8)
    intensities = np.zeros((count, len(ACTION_UNITS)), dtype=np.float32)
    for row in range(count):
        rng = np.random.default_rng([seed, row])
        if plan.copy_of[row] >= 0:
            images[row], intensities[row] = images[plan.copy_of[row]], intensities[plan.copy_of[row]]
        elif plan.expression[row] < 0:
            images[row] = draw_non_face(plan.kind[row], rng)
        else:
            expression = FERPLUS_EMOTIONS[plan.expression[row]]
            intensities[row] = draw_intensities(expression, rng)
            strengths = dict(zip(ACTION_UNITS, intensities[row].tolist(), strict=True))
            images[row] = draw_face(strengths, one_sided=expression == "contempt", rng=rng)
    return images, intensities


def _duplicates(faces: FaceDataset) -> NDArray[np.int64]:
    """First row with each picture's bytes, -1 for that row itself; black frames agree without being planned to."""
    _, first, group = np.unique(faces.picture_hashes(), return_index=True, return_inverse=True)
    earliest = first[group]
    return np.where(earliest == np.arange(len(faces)), -1, earliest).astype(np.int64)
