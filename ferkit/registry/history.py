"""Who was champion when: a list that several machines may extend at the same moment and that stays one list.

MLflow's registry has no transactions, and the last writer of an alias or a tag wins. But its stores never change a
parameter of a run: of two processes that write the same one, the first succeeds and the second fails, by a primary key
of the database. So the history of a registered model is a run whose parameters ``0001``, ``0002``, ... are its entries.
Who gets to write the next number has promoted; who does not has to look again. The history decides, and the alias
``champion`` follows it: everybody who changed it looks once more whether the history went on meanwhile.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, Self

from ferkit.registry.client import (
    RegistryError,
    aliases_of,
    find_model,
    registry_client,
    registry_errors,
    require_model,
)
from ferkit.registry.models import CHAMPION

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["HISTORY_TAG", "Entry", "History", "ensure_history"]

HISTORY_TAG = "ferkit.history_run"
_EXPERIMENT = "ferkit registry"
Action = Literal["promote", "force", "rollback"]


@dataclass(frozen=True)
class Entry:
    """One change of the champion.

    Attributes
    ----------
    action
        ``force`` is a promotion despite the gate.
    version
        The champion from then on.
    previous
        The champion before, None if there was none.
    who, when
        The user, and the time in UTC as ISO 8601.
    reason
        Why, in words.
    id
        Tells apart two equal changes at the same moment.
    """

    action: Action
    version: str
    previous: str | None
    who: str
    when: str
    reason: str
    id: str

    def to_json(self) -> str:
        """The entry as JSON, which MLflow keeps."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The entry in JSON that `to_json` made."""
        return cls(**json.loads(text))


class History:
    """The history of one registered model's champions.

    Parameters
    ----------
    name
        Name of the registered model.

    Raises
    ------
    RegistryError
        If nothing was registered under that name, or not by ferkit.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        found = require_model(name)
        if HISTORY_TAG not in found.tags:
            raise RegistryError(
                f"registered model {name}: has no tag {HISTORY_TAG}, so ferkit did not register it; register one first."
            )
        self._run_id = found.tags[HISTORY_TAG]

    def read(self) -> list[Entry]:
        """All entries of the history, oldest first."""
        with registry_errors(f"history of {self.name}"):
            params = registry_client().get_run(self._run_id).data.params
        return [Entry.from_json(params[key]) for key in sorted(params, key=int)]

    def append(self, entry: Entry, after: Sequence[Entry]) -> bool:
        """Write `entry` behind `after`; False if somebody else wrote there first, and then nothing was changed."""
        from mlflow.exceptions import MlflowException

        key = f"{len(after) + 1:04d}"
        try:
            registry_client().log_param(self._run_id, key, entry.to_json())
        except MlflowException as error:
            if len(self.read()) > len(after):
                return self.read()[len(after)] == entry
            raise RegistryError(f"history of {self.name}: {' '.join(str(error).split())[:500]}") from error
        return True

    def settle(self) -> str | None:
        """Set the alias ``champion`` as the history says; returns the version that it named wrongly before, if any."""
        moved = None
        while True:
            entries = self.read()
            champion = self.champions(entries)[-1:]
            now = aliases_of(find_model(self.name)).get(CHAMPION)
            if not entries or (champion and champion[0] == now):
                return moved
            moved = moved or now
            with registry_errors(f"alias {CHAMPION} of {self.name}"):
                if champion:
                    registry_client().set_registered_model_alias(self.name, CHAMPION, champion[0])
                else:
                    registry_client().delete_registered_model_alias(self.name, CHAMPION)
                    return moved

    def champions(self, entries: Sequence[Entry]) -> list[str]:
        """The champions that a rollback goes through, the one now last, of those that are still registered."""
        stack: list[str] = []
        for entry in entries:
            if not stack and entry.previous:
                stack.append(entry.previous)
            if entry.action == "rollback":
                stack = stack[: _last(stack, entry.version) + 1]
            else:
                stack.append(entry.version)
        there = self._existing_versions()
        return [version for version in stack if version in there]

    def _existing_versions(self) -> Collection[str]:
        with registry_errors(f"versions of {self.name}"):
            return {str(each.version) for each in registry_client().search_model_versions(f"name = '{self.name}'")}


def ensure_history(name: str) -> None:
    """Make the registered model `name` with an empty history, unless both are there."""
    found = find_model(name)
    if found and HISTORY_TAG in found.tags:
        return
    from mlflow.exceptions import MlflowException

    client = registry_client()
    with registry_errors(f"registered model {name}"):
        run = client.create_run(_experiment(client), run_name=f"history of {name}", tags={"ferkit.history_of": name})
        client.set_terminated(run.info.run_id)
        if found:
            client.set_registered_model_tag(name, HISTORY_TAG, run.info.run_id)
            return
        try:
            client.create_registered_model(name, tags={HISTORY_TAG: run.info.run_id})
        except MlflowException:
            # Names are unique: somebody made it meanwhile, with a history of its own.
            client.delete_run(run.info.run_id)
            if find_model(name) is None:
                raise


def _experiment(client: "MlflowClient") -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(_EXPERIMENT)
    if found is None:
        try:
            return str(client.create_experiment(_EXPERIMENT))
        except MlflowException:
            # Names are unique here, too.
            found = client.get_experiment_by_name(_EXPERIMENT)
            if found is None:
                raise
    return str(found.experiment_id)


def _last(values: Sequence[str], value: str) -> int:
    """Where `value` stands last; before the first if it does not."""
    return max((at for at, each in enumerate(values) if each == value), default=-1)
