"""Settings of a backbone in a run configuration."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from ferkit.backbones.registry import Backbone, get
from ferkit.errors import ConfigError
from ferkit.settings import Settings

__all__ = ["BackboneSettings"]


class BackboneSettings(Settings):
    """One network of a run.

    Attributes
    ----------
    name
        A backbone of the registry; `ferkit backbones` lists them.
    alias
        What the run calls this network, so that the same backbone can occur twice; `name` if empty.
    input_size : pixels
        Side to which pictures are resized; the backbone's own if empty. Halving it makes an epoch about four times
        shorter.
    weights
        ``pretrained``: the weights of the registry; a backbone that has none (fernet) starts at random. ``none``:
        random weights. Or an .h5 file for the backbone without its head.
    width : channels
        Channels of the first block, for a backbone whose width is a setting (fernet).
    depth : stages
        Keep that many of the backbone's stages, for one whose depth is a setting (fernet, dlib_resnet); all if empty.
        What is left out takes no time and learns nothing.
    stages : tuple of int
        Stages, counted from 1, whose maps are pooled and laid side by side before the head; the last one's alone if
        empty. Expressions are read well from the middle of a network that was made to tell people apart.
    hidden : units
        Dense layers of the head, none of an empty list; those of the backbone's own head if None.
    dropout
        Rate of every dropout of the head; the backbone's own if empty.
    """

    name: str
    alias: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    input_size: int | None = Field(default=None, le=1024)
    weights: Literal["pretrained", "none"] | Path = "pretrained"
    width: int | None = Field(default=None, ge=4, le=256)
    depth: int | None = Field(default=None, ge=1)
    stages: tuple[int, ...] | None = None
    hidden: tuple[int, ...] | None = None
    dropout: float | None = Field(default=None, ge=0, lt=1)

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            get(name)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return name

    @field_validator("weights")
    @classmethod
    def _file_or_choice(cls, weights: Literal["pretrained", "none"] | Path) -> Literal["pretrained", "none"] | Path:
        if isinstance(weights, Path) and weights.suffix != ".h5":
            raise ValueError(f"weights {str(weights)!r}: expected pretrained, none, or the path of an .h5 file.")
        return weights

    @field_validator("hidden")
    @classmethod
    def _positive(cls, hidden: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if hidden and min(hidden) < 1:
            raise ValueError(f"hidden {list(hidden)}: each layer needs at least one unit.")
        return hidden

    @model_validator(mode="after")
    def _fits(self) -> Self:
        card = self.card
        if self.input_size is not None and self.input_size < card.min_size:
            raise ValueError(f"input_size {self.input_size}: {self.name} needs at least {card.min_size} pixels.")
        if self.width is not None and card.default_width is None:
            raise ValueError(f"width {self.width}: the width of {self.name} is fixed; drop the setting.")
        self._check_stages(card)
        return self

    def _check_stages(self, card: Backbone) -> None:
        if card.default_depth is None:
            for key in ("depth", "stages"):
                if getattr(self, key) is not None:
                    raise ValueError(f"{key}: the stages of {self.name} are fixed; drop the setting.")
            return
        if self.depth is not None and self.depth > card.default_depth:
            raise ValueError(f"depth {self.depth}: {self.name} has {card.default_depth} stages.")
        if self.stages is None:
            return
        kept = self.depth or card.default_depth
        if not self.stages or list(self.stages) != sorted(set(self.stages)) or self.stages[0] < 1:
            raise ValueError(f"stages {list(self.stages)}: expected rising numbers from 1 to {kept}.")
        if self.stages[-1] != kept:
            raise ValueError(
                f"stages {list(self.stages)}: {kept} stages are computed, and nothing would use those after "
                f"{self.stages[-1]}; set depth: {self.stages[-1]}."
                if self.stages[-1] < kept
                else f"stages {list(self.stages)}: {self.name} has {kept} stages here."
            )

    @property
    def card(self) -> Backbone:
        """The card of this backbone in the registry."""
        return get(self.name)

    @property
    def label(self) -> str:
        """Name of this network in the run: `alias`, or else `name`."""
        return self.alias or self.name

    @property
    def size(self) -> int:
        """Side in pixels that the backbone sees."""
        return self.input_size or self.card.input_size

    @property
    def starts_trained(self) -> bool:
        """False for a network with random weights: nothing is gained by training its head first."""
        return isinstance(self.weights, Path) or (self.weights == "pretrained" and self.card.weights is not None)
