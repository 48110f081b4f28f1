"""What every source of picture files can be told: classes, splits, damage, and the form that its pictures get."""

from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from ferkit.data.dataset import SIZE
from ferkit.data.stored_pictures import Colour
from ferkit.sources.labels import Labels, read_labels
from ferkit.sources.split_settings import SplitSource

__all__ = ["CHOICE_SETTINGS", "PictureSettings"]

# Those that choose pictures for splits that a source lacks.
CHOICE_SETTINGS = ("validation_fraction", "test_fraction", "seed", "subject")


class PictureSettings(SplitSource):
    """Settings of a source whose pictures are files.

    Attributes
    ----------
    labels
        What its classes are called, by the name that the data has for them, null to leave their pictures out; or a
        file that says it, see `ferkit.sources.labels.read_labels`.
    validation_fraction, test_fraction
        The part of each class's Training pictures, at least one of two or more, that becomes PublicTest or PrivateTest
        where there is none.
    seed
        Of that choice. Copies and near copies of a picture lie on one side of it, and so do all pictures of a person,
        where that is known.
    maximum_damaged
        Largest share of pictures that may be damaged; they are put aside with their reasons. One may always be, unless
        this is 0.
    stream
        Leave the pixels in the files and read them when they are needed, however many there are.
    side, colour
        What each picture becomes when it is streamed: its side in pixels, ``grey`` or ``rgb``.
    crop
        The faces are not cut out yet: find and cut the face of each picture as `ferkit predict` does, see
        `ferkit.sources.cropping`. Pictures without a face are left out and named.
    """

    HOLDS_OUT: ClassVar[bool] = True

    source: str
    labels: Labels = Field(default_factory=dict)
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    test_fraction: float = Field(0.1, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    maximum_damaged: float = Field(0.01, ge=0, le=1)
    stream: bool = False
    side: int = Field(SIZE, ge=16, le=1024)
    colour: Colour = "grey"
    crop: bool = False

    @field_validator("labels", mode="before")
    @classmethod
    def _names_as_text(cls, labels: Any) -> Any:
        """YAML reads a class that is called 0 as a number."""
        return {str(name): meant for name, meant in labels.items()} if isinstance(labels, dict) else labels

    def younger_settings(self) -> bytes:
        """For a fingerprint: those settings that there were not always, where they are not their defaults."""
        changed: list[Any] = [] if self.test_fraction == 0.1 else [self.test_fraction]
        changed += [] if self.split is None else [self.split]
        changed += ["crop"] if self.crop else []
        labels = sorted(read_labels(self.labels).items()) if self.labels else []
        return repr([*changed, *labels]).encode() if changed or labels else b""

    @model_validator(mode="after")
    def _only_streamed_otherwise(self) -> Self:
        if not self.stream and (self.side, self.colour) != (SIZE, "grey"):
            raise ValueError(
                f"pictures in memory are {SIZE}x{SIZE} and grey, not {self.side}x{self.side} {self.colour}: set "
                "stream to true."
            )
        return self
