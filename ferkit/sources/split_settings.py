"""What every source can be told about splits: to leave them as they are, or to make folds for cross-validation."""

from typing import Any, ClassVar, Literal, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer, model_validator

from ferkit.settings import Settings

__all__ = ["SplitSource"]


class SplitSource(Settings):
    """Settings of any source.

    Attributes
    ----------
    split
        ``given``: pictures are in the splits that the source gives them and in no others, for data that models are
        judged on; what it gives none is Training. If empty, splits that are not there are held out of Training.
    HOLDS_OUT
        Whether the source holds out splits that are not there; else ``given`` would say nothing.
    """

    HOLDS_OUT: ClassVar[bool] = False

    split: Literal["given"] | None = None

    @model_validator(mode="after")
    def _split_has_effect(self) -> Self:
        if self.split == "given" and not self.HOLDS_OUT:
            raise ValueError("split: given has no effect: this source gives every picture its split; leave it out.")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what says nothing: results of before are kept under what this is written as."""
        content: dict[str, Any] = write(self)
        return {name: value for name, value in content.items() if name != "split" or value is not None}
