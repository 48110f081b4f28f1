"""Which Training pictures become a split that a source lacks: copies, and pictures of one person, together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ferkit.data.labels import SPLITS

__all__ = ["hold_out", "kept_together"]

_TRAINING, _PUBLIC = SPLITS.index("Training"), SPLITS.index("PublicTest")


def kept_together(copies: NDArray[np.int64], subjects: Sequence[object]) -> NDArray[np.int64]:
    """Join groups that have a picture in common.

    Parameters
    ----------
    copies : (N,) int64
        The same number for pictures that are copies of each other.
    subjects
        Who is in each picture, None where that is not known.

    Returns
    -------
    (N,) int64
        The same number for pictures that must lie in one split.
    """
    known = np.flatnonzero([each is not None for each in subjects])
    if not len(known):
        return copies
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # A graph whose nodes are the groups of copies, then the persons; each picture ties its copies to its person.
    people, person = np.unique([str(subjects[at]) for at in known.tolist()], return_inverse=True)
    groups, group = np.unique(copies, return_inverse=True)
    nodes = len(groups) + len(people)
    ties = coo_array((np.ones(len(known)), (group[known], len(groups) + person)), shape=(nodes, nodes))
    _, component = connected_components(ties, directed=False)
    return np.asarray(component[group], dtype=np.int64)


def hold_out(
    label: NDArray[np.int8],
    split: NDArray[np.int8],
    together: NDArray[np.int64],
    fraction: float,
    seed: int,
    to: int = _PUBLIC,
) -> NDArray[np.int8]:
    """`split` with a part of each class's Training pictures moved to another, PublicTest if none is named.

    Parameters
    ----------
    together : (N,) int64
        Pictures with the same number are moved together or not at all, see `kept_together`.
    fraction
        Of each class's Training pictures; at least one of two or more, and more where a group is larger. The last
        picture of a class stays in Training.
    seed
        Of the choice.
    to
        Index of the split in `ferkit.data.labels.SPLITS`.
    """
    changed = split.copy()
    training = np.flatnonzero(split == _TRAINING)
    in_order = training[np.argsort(together[training], kind="stable")]
    starts = np.flatnonzero(np.diff(together[in_order], prepend=-1))
    groups = {int(together[members[0]]): members for members in np.split(in_order, starts[1:]) if len(members)}
    left = np.bincount(label[training], minlength=label.max(initial=0) + 1)
    wanted = np.maximum(np.rint(left * fraction), left > 1)
    moved = np.zeros_like(left)
    generator = np.random.default_rng(seed)
    for emotion in np.unique(label[training]):
        for index in generator.permutation(training[label[training] == emotion]):
            if moved[emotion] >= wanted[emotion]:
                break
            members = groups[int(together[index])]
            taken = np.bincount(label[members], minlength=len(left))
            if changed[index] == _TRAINING and (left > taken)[taken > 0].all():
                changed[members] = to
                left, moved = left - taken, moved + taken
    return changed
