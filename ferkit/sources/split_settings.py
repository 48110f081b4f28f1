"""What every source can be told about splits: to leave them as they are, or to make folds for cross-validation."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Discriminator, Field, SerializerFunctionWrapHandler, Tag, model_serializer, model_validator

from ferkit.errors import DataError
from ferkit.settings import Settings

__all__ = ["FoldSettings", "SplitSource"]


class FoldSettings(Settings):
    """Cross-validation: all pictures are dealt into folds, and each fold is PrivateTest of one run.

    Attributes
    ----------
    folds
        How many. The classes have about the same shares in each; copies and near copies lie in one.
    by
        ``subject``: so do all pictures of a person, who has to be known; ``picture``: people may be on both sides,
        which flatters where the data has several pictures of one.
    fold
        Which of them is PrivateTest, from 0. If empty, `ferkit run` and ``python -m ferkit.standalone`` make a run of
        each.
    validation_fraction
        The part of each class's other pictures, at least one of two or more, that is PublicTest; the rest is Training.
    seed
        Of the dealing and of that choice.
    """

    folds: int = Field(ge=2, le=50)
    by: Literal["subject", "picture"] = "subject"
    fold: int | None = Field(None, ge=0)
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if self.fold is not None and self.fold >= self.folds:
            raise ValueError(f"fold {self.fold}: expected 0 to {self.folds - 1}, there are {self.folds} folds.")
        return self

    def chosen(self) -> int:
        """The fold that is PrivateTest.

        Raises
        ------
        DataError
            If none was chosen.
        """
        if self.fold is None:
            raise DataError(
                f"data.split has {self.folds} folds, and `ferkit run` makes a run of each; here say which one is "
                f"meant, data.split.fold=0 to {self.folds - 1}."
            )
        return self.fold


def _kind(written: Any) -> str:
    """Which of both a value is meant to be, so that what is wrong with it is told once."""
    return "mapping" if isinstance(written, Mapping | FoldSettings) else "given"


_Split = Annotated[
    Annotated[FoldSettings, Tag("mapping")] | Annotated[Literal["given"], Tag("given")], Discriminator(_kind)
]


class SplitSource(Settings):
    """Settings of any source.

    Attributes
    ----------
    split
        ``given``: pictures are in the splits that the source gives them and in no others, for data that models are
        judged on; what it gives none is Training. Folds: all pictures are dealt anew, see `FoldSettings`. If empty,
        splits that are not there are held out of Training.
    HOLDS_OUT
        Whether the source holds out splits that are not there; else ``given`` would say nothing.
    """

    HOLDS_OUT: ClassVar[bool] = False

    split: _Split | None = None

    @model_validator(mode="after")
    def _split_has_effect(self) -> Self:
        if self.split == "given" and not self.HOLDS_OUT:
            raise ValueError("split: given has no effect: this source gives every picture its split; leave it out.")
        return self

    @property
    def folds(self) -> FoldSettings | None:
        """The folds, if there are any."""
        return self.split if isinstance(self.split, FoldSettings) else None

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what says nothing: results of before are kept under what this is written as."""
        content: dict[str, Any] = write(self)
        return {name: value for name, value in content.items() if name != "split" or value is not None}
