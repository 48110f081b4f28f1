"""``trainings.json`` in the folder of the shipped models: how each network was trained, and the commands that did."""

from pathlib import Path
from typing import Self

from ferkit.errors import DataError
from ferkit.settings import Settings, read_json
from ferkit.standalone.records import MemberRecord

__all__ = ["TRAININGS", "Trainings"]

TRAININGS = "trainings.json"


class Trainings(Settings):
    """The whole of ``trainings.json``.

    Attributes
    ----------
    commands
        That made all of it, in order.
    networks
        Records by name of the network.
    """

    commands: tuple[str, ...]
    networks: dict[str, MemberRecord]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``trainings.json`` in `folder`.

        Raises
        ------
        DataError
            If there is none, or it is not one that this version of ferkit reads.
        """
        return read_json(
            folder / TRAININGS,
            cls,
            DataError,
            missing="nothing says how these networks were trained; expected a folder that `ferkit export-reference` "
            "wrote.",
            damaged="not what `ferkit export-reference` writes: {problem}",
        )

    def write(self, folder: Path) -> None:
        """Write ``trainings.json`` into `folder`."""
        (folder / TRAININGS).write_text(self.model_dump_json(indent=1) + "\n")
