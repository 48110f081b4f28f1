"""What people would say of a drawn face: the label of its file, and the votes of FER+'s ten taggers."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ferkit.data.labels import FER_EMOTIONS, FERPLUS_EMOTIONS, FERPLUS_VOTES

__all__ = ["cast_votes", "misread", "plausible_contempt"]

TAGGERS: Final = 10

# Relative frequency with which an expression (row) is taken for another (column), both in the order of
# FERPLUS_EMOTIONS: chosen after what people confuse in FER-2013, fear with surprise, sadness with neutral, disgust
# with anger. The diagonal is zero: it says which mistake, not how often.
_MISTAKEN: Final = np.array(
    [
        [0, 2, 1, 5, 3, 0.5, 1, 2],
        [5, 0, 2, 1, 0.5, 0.3, 0.5, 1],
        [2, 2, 0, 0.5, 0.5, 0.3, 5, 0],
        [5, 0.5, 0.3, 0, 2, 1, 2, 0.5],
        [4, 0.3, 0.5, 2, 0, 2, 1, 1],
        [1, 0.3, 0.3, 2, 5, 0, 0.5, 1],
        [1, 0.5, 5, 2, 1, 0.5, 0, 0],
        [5, 3, 0.1, 1, 2, 1, 0.1, 0],
    ]
)
# FER-2013 has no contempt: such faces lie among its other classes.
_CONTEMPT_LABELS: Final = {"neutral": 0.5, "happy": 0.2, "angry": 0.15, "sad": 0.1, "disgust": 0.05}


def misread(expression: int, rng: np.random.Generator) -> int:
    """Another of FER's seven emotions for which this one is taken, as an index into `FERPLUS_EMOTIONS`."""
    odds = _MISTAKEN[expression].copy()
    odds[FERPLUS_EMOTIONS.index("contempt")] = 0
    return int(rng.choice(len(odds), p=odds / odds.sum()))


def plausible_contempt() -> NDArray[np.float64]:
    """(7,): probability of each of `FER_EMOTIONS` as the label of a face that shows contempt."""
    return np.array([_CONTEMPT_LABELS.get(name, 0.0) for name in FER_EMOTIONS])


def cast_votes(expression: int, strength: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Votes of ten taggers.

    Parameters
    ----------
    expression
        Index into `ferkit.data.labels.FERPLUS_EMOTIONS`, -1 for a picture that is not a face.
    strength
        Mean intensity 0..1 of the action units of the expression; faint ones are agreed on less.

    Returns
    -------
    (10,) uint8
        In the order of `ferkit.data.labels.FERPLUS_VOTES`; they sum to ten.
    """
    unknown, not_a_face = FERPLUS_VOTES.index("unknown"), FERPLUS_VOTES.index("NF")
    votes = np.zeros(len(FERPLUS_VOTES), dtype=np.uint8)
    if expression < 0:
        votes[not_a_face] = rng.integers(8, TAGGERS + 1)
        votes[rng.choice([unknown, 0])] += TAGGERS - votes[not_a_face]
        return votes
    agree = float(np.clip(0.45 + 0.5 * strength + rng.normal(0, 0.08), 0.5, 0.98))
    mistaken = _MISTAKEN[expression] / _MISTAKEN[expression].sum()
    odds = np.append(0.95 * (1 - agree) * mistaken, [0.05 * (1 - agree), 0.0])
    odds[expression] = agree
    votes += rng.multinomial(TAGGERS, odds / odds.sum()).astype(np.uint8)
    return votes
