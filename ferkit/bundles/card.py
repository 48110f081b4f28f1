"""``reference.json``: what the networks of a bundle are, and how they vote."""

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ferkit.backbones.settings import BackboneSettings
from ferkit.bundles.weights import StoredPrecision
from ferkit.data.input_card import InputCard
from ferkit.data.labels import DECLARED_TARGETS, Target
from ferkit.data.targets import TargetSettings
from ferkit.errors import WeightsError
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation
from ferkit.settings import read_json

__all__ = ["CARD", "MODELS", "BundleCard", "InputCard", "LiteRTCard", "ModelName", "NetworkCard", "TargetCard", "Vote"]

CARD = "reference.json"

# What one can ask a bundle for; `TargetCard` says what each is.
ModelName = Literal["vote", "default", "tiny"]
MODELS: tuple[ModelName, ...] = ("vote", "default", "tiny")


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class LiteRTCard(_Card):
    """A network once more, as a file that needs no Keras: `ferkit.export.LiteRTNetwork`.

    Attributes
    ----------
    file, sha256
        Its name, and its checksum in hexadecimal.
    """

    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*\.tflite$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class NetworkCard(_Card):
    """One network.

    Attributes
    ----------
    label
        What its run called it; networks for different targets may share one.
    backbone
        How to build it, without pretrained weights.
    heads
        Number of classes of each target.
    file, sha256
        Its weights, see `ferkit.bundles.weights`, and their checksum in hexadecimal.
    precision
        Of its large weights.
    litert
        The same network for quick answers; without it, Keras is asked.
    """

    label: str
    backbone: BackboneSettings
    heads: dict[Target, int] = Field(min_length=1)
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*\.npz$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    precision: StoredPrecision = "float16"
    litert: LiteRTCard | None = None

    @property
    def weights_of(self) -> str:
        """Name of the network that its file of weights is named after: its own, unless it shares them."""
        return self.file.removesuffix(".npz")


class Vote(_Card):
    """A weighted mean of networks, then a temperature; both were found on PublicTest.

    Attributes
    ----------
    weights
        By name of the network; they sum to one.
    temperature
        See `ferkit.models.temperature`.
    """

    weights: dict[str, float] = Field(min_length=1)
    temperature: float = Field(1.0, gt=0)

    @model_validator(mode="after")
    def _distribution(self) -> Self:
        if min(self.weights.values()) < 0 or not np.isclose(sum(self.weights.values()), 1.0, atol=1e-6):
            raise ValueError(f"weights {self.weights}: expected values from 0 that sum to 1.")
        return self


class TargetCard(_Card):
    """What answers for one target.

    Attributes
    ----------
    settings
        As the run had them, with the protocol that selection followed and evaluation follows.
    classes
        Names of the columns of what is answered; those of the settings if not given, which declared targets such as
        ``fer`` have.
    vote
        Of the ensemble's members.
    default
        The network that answers unless another model is asked for; None: the vote answers.
    tiny
        A smaller network that was taught by the vote; of a run, the best of its students.
    """

    settings: TargetSettings
    classes: tuple[str, ...] = Field(min_length=2)
    vote: Vote
    default: Vote | None = None
    tiny: Vote | None = None

    @model_validator(mode="before")
    @classmethod
    def _known_classes(cls, content: Any) -> Any:
        """Up to format 2 a card did not name them: there were declared targets only."""
        if not isinstance(content, dict) or content.get("classes"):
            return content
        settings = content.get("settings")
        settings = settings.model_dump() if isinstance(settings, TargetSettings) else settings
        if not isinstance(settings, dict):
            return content
        declared = DECLARED_TARGETS.get(settings.get("name", "fer"))
        return {**content, "classes": declared.classes if declared else settings.get("classes") or ()}

    @property
    def labelling(self) -> TargetSettings:
        """How pictures of any data get labels for it: the settings, with the classes that are answered."""
        if self.settings.name in DECLARED_TARGETS:
            return self.settings
        return self.settings.model_copy(update={"classes": self.classes})

    @property
    def models(self) -> dict[ModelName, Vote]:
        """What is there, by name."""
        named: dict[ModelName, Vote | None] = {"vote": self.vote, "default": self.default, "tiny": self.tiny}
        return {name: vote for name, vote in named.items() if vote is not None}


class BundleCard(_Card):
    """The whole of ``reference.json``; formats 1 and 2, of earlier versions, are read, too.

    Attributes
    ----------
    format
        Of this file.
    name
        Of the run that the networks come from.
    networks
        By name, which is that of the folder of their training.
    targets
        What can be asked for; the first one is what is answered if none is named.
    input
        The pictures that the networks were trained on.
    tta
        Test-time augmentation of each model; one that is not named sees the picture alone.
    """

    format: Literal[3] = 3
    name: str
    networks: dict[str, NetworkCard] = Field(min_length=1)
    targets: dict[Target, TargetCard] = Field(min_length=1)
    input: InputCard = InputCard()
    tta: dict[ModelName, TestTimeAugmentation] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_formats(cls, content: Any) -> Any:
        """Format 2 had no input but 48x48 grey; format 1 an ensemble, a student and no other network that answers."""
        if not isinstance(content, dict) or content.get("format") not in (1, 2):
            return content
        before, content = content["format"], {**content, "format": 3}
        if before == 2:
            return content
        views = {"vote": content.pop("views", None), "tiny": content.pop("student_views", None)}
        content["tta"] = {name: each for name, each in views.items() if each is not None}
        names = {"ensemble": "vote", "student": "tiny"}
        if isinstance(content.get("targets"), dict):
            content["targets"] = {
                target: {names.get(key, key): value for key, value in card.items()} if isinstance(card, dict) else card
                for target, card in content["targets"].items()
            }
        return content

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        seen: dict[str, TestTimeAugmentation] = {}
        for target, card in self.targets.items():
            if card.settings.name != target:
                raise ValueError(f"target {target}: its settings are those of {card.settings.name}.")
            for model, vote in card.models.items():
                for name in vote.weights:
                    heads = self.networks[name].heads if name in self.networks else {}
                    if target not in heads:
                        raise ValueError(f"target {target}: no network {name!r} with a head for it.")
                    if heads[target] != len(card.classes):
                        raise ValueError(
                            f"target {target}: {len(card.classes)} classes, network {name!r} answers {heads[target]}."
                        )
                    if seen.setdefault(name, self.tta.get(model, NO_TTA)) != self.tta.get(model, NO_TTA):
                        raise ValueError(f"network {name}: two models want other test-time augmentation of it.")
        if len({card.default is None for card in self.targets.values()}) > 1:
            raise ValueError("a default network answers for every target or for none.")
        return self

    @property
    def models(self) -> tuple[ModelName, ...]:
        """What answers for at least one target."""
        return tuple(name for name in MODELS if self.networks_of(name))

    def networks_of(self, model: ModelName) -> frozenset[str]:
        """Names of the networks that have a say in what `model` answers."""
        return frozenset(
            name
            for card in self.targets.values()
            for name in (card.models[model].weights if model in card.models else ())
        )

    def resolved(self, model: ModelName) -> ModelName:
        """`model`; where there is no default network, the vote for ``default``."""
        return "vote" if model == "default" and not self.networks_of("default") else model

    def tta_of(self, network: str) -> TestTimeAugmentation:
        """Test-time augmentation of the models that `network` belongs to."""
        return next(
            (self.tta.get(model, NO_TTA) for model in self.models if network in self.networks_of(model)), NO_TTA
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``reference.json`` in `folder`.

        Raises
        ------
        WeightsError
            If there is none, or it is not one that this version of ferkit reads.
        """
        return read_json(
            folder / CARD,
            cls,
            WeightsError,
            missing="no bundle there. Install a release of ferkit, which brings one, or make one: "
            "`ferkit export-reference RUN`.",
            damaged="not a bundle that this ferkit reads: {problem}",
        )

    def write(self, folder: Path) -> None:
        """Write ``reference.json`` into `folder`."""
        (folder / CARD).write_text(self.model_dump_json(indent=2) + "\n")
