"""Settings of the validation of data."""

from typing import Literal

from pydantic import Field

from ferkit.settings import Settings

__all__ = ["Keep", "ValidationSettings"]


Keep = Literal["keep", "quarantine"]


class ValidationSettings(Settings):
    """Thresholds of the expectations, and what happens to rows that fail one.

    Rows of PublicTest and PrivateTest are never put aside: a number on them is compared over all 3,589 pictures.

    Attributes
    ----------
    minimum_training, minimum_evaluation
        Fewest pictures of Training, and of PublicTest and PrivateTest each.
    minimum_class
        Fewest Training pictures of each emotion.
    maximum_constant
        Largest share of pictures that are one grey level throughout; FER-2013 has 12 of 35,887.
    maximum_copies
        Largest share of pictures with an exact copy in the same split, and of those with one in another split.
    maximum_without_votes
        Largest share of pictures without any FER+ vote; FER-2013 has none.
    minimum_agreement
        Smallest share of pictures whose most voted FER+ emotion is the FER label, of those with a vote for an emotion.
        63 % of FER-2013, and 18 % where one of the files is shifted by a row.
    constant
        What happens to constant Training pictures.
    copies_in_training
        What happens to all but the first of equal Training pictures.
    copies_across_splits
        What happens to Training pictures that occur in PublicTest or PrivateTest, too. The published numbers of other
        people kept them; evaluation shows what they are worth.
    conflicting_labels
        What happens to Training pictures that have an exact copy with another label, in whichever split.
    """

    minimum_training: int = Field(100, ge=1)
    minimum_evaluation: int = Field(20, ge=1)
    minimum_class: int = Field(2, ge=1)
    maximum_constant: float = Field(0.02, ge=0, le=1)
    maximum_copies: float = Field(0.15, ge=0, le=1)
    maximum_without_votes: float = Field(0.05, ge=0, le=1)
    minimum_agreement: float = Field(0.5, ge=0, le=1)
    constant: Keep = "quarantine"
    copies_in_training: Keep = "keep"
    copies_across_splits: Keep = "keep"
    conflicting_labels: Keep = "keep"
