"""``reference.json``: what the networks of a bundle are, and how they vote."""

from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ferkit.backbones.settings import BackboneSettings
from ferkit.data.labels import Target
from ferkit.data.targets import TargetSettings
from ferkit.errors import WeightsError
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation

__all__ = ["CARD", "BundleCard", "LiteRTCard", "NetworkCard", "TargetCard", "Vote"]

CARD = "reference.json"


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
    litert
        The same network for quick answers; without it, Keras is asked.
    """

    label: str
    backbone: BackboneSettings
    heads: dict[Target, int] = Field(min_length=1)
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*\.npz$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    litert: LiteRTCard | None = None


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
        With the protocol that selection followed and evaluation follows.
    ensemble
        The vote of the members.
    student
        The one network that was trained on what the ensemble says.
    """

    settings: TargetSettings
    ensemble: Vote
    student: Vote | None = None

    def vote(self, *, single: bool) -> Vote | None:
        """The student's if `single`, otherwise the ensemble's."""
        return self.student if single else self.ensemble


class BundleCard(_Card):
    """The whole of ``reference.json``.

    Attributes
    ----------
    format
        Of this file.
    name
        Of the run that the networks come from.
    networks
        By name, which is that of the folder of their training.
    targets
        What can be asked for.
    tta, student_tta
        Test-time augmentation of the ensemble and of the student; the file says ``views`` and ``student_views``.
    """

    format: Literal[1] = 1
    name: str
    networks: dict[str, NetworkCard] = Field(min_length=1)
    targets: dict[Target, TargetCard] = Field(min_length=1)
    tta: TestTimeAugmentation = Field(NO_TTA, alias="views")
    student_tta: TestTimeAugmentation = Field(NO_TTA, alias="student_views")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for target, card in self.targets.items():
            if card.settings.name != target:
                raise ValueError(f"target {target}: its settings are those of {card.settings.name}.")
            for name in (*card.ensemble.weights, *(card.student.weights if card.student else ())):
                if name not in self.networks or target not in self.networks[name].heads:
                    raise ValueError(f"target {target}: no network {name!r} with a head for it.")
        return self

    @property
    def students(self) -> frozenset[str]:
        """Names of the networks that are students."""
        return frozenset(name for card in self.targets.values() if card.student for name in card.student.weights)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``reference.json`` in `folder`.

        Raises
        ------
        WeightsError
            If there is none, or it is not one that this version of ferkit reads.
        """
        file = folder / CARD
        try:
            return cls.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise WeightsError(
                f"{file}: no bundle there. Install a release of ferkit, which brings one, or make one: "
                "`ferkit export-reference RUN`."
            ) from None
        except (OSError, ValidationError) as error:
            raise WeightsError(
                f"{file}: not a bundle that this ferkit reads: {' '.join(str(error).split())}"
            ) from error

    def write(self, folder: Path) -> None:
        """Write ``reference.json`` into `folder`."""
        (folder / CARD).write_text(self.model_dump_json(indent=2, by_alias=True) + "\n")
