"""A folder of state that was moved or copied: what it holds of its own paths follows it.

ZenML's configuration and database and MLflow's database keep whole paths of files in the folder. Without this, a copy
goes on to use, and to change, the place that it was copied from.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferkit.cli.state.database_folder import database_folder
from ferkit.errors import ConfigError
from ferkit.files import written_whole

__all__ = ["follow", "keep_cached"]

_PLACE = "place"
_CONFIGURATION = Path("zenml", "config.yaml")
_STORE = Path("zenml", "local_stores", "default_zen_store", "zenml.db")
_URL = re.compile(rf"^  url: sqlite:///(.+)/{re.escape(_STORE.as_posix())}$", flags=re.MULTILINE)


def follow(root: Path) -> Path | None:
    """Let the paths in the folder of state `root` lead into it, and remember where it lies.

    Returns
    -------
    pathlib.Path or None
        Where the folder lay before; None if it lies where it lay.

    Raises
    ------
    ConfigError
        If a database of it cannot be changed.
    """
    before = _place_before(root)
    if before == root:
        return None
    if before is not None:
        changes = _changes(before, root)
        try:
            for database in (root / _STORE, root / "mlflow.db"):
                if database.is_file():
                    _rewrite(database, changes)
        except sqlite3.Error as error:
            raise ConfigError(
                f"{root}: this folder of state lay in {before}, and the paths in its {database.name} cannot be changed "
                f"({error}): move it back, or name an empty folder with FERKIT_HOME."
            ) from error
        if (configuration := root / _CONFIGURATION).is_file():
            text = configuration.read_text()
            for old, new in changes:
                text = text.replace(old, new)
            with written_whole(configuration) as part:
                part.write_text(text)
    with written_whole(root / _PLACE) as part:
        part.write_text(str(root))
    return before


def _place_before(root: Path) -> Path | None:
    """Where the folder lay when a command last used it; None if it is new."""
    if (place := root / _PLACE).is_file():
        return Path(place.read_text())
    # Versions before this file was written: ZenML's store tells.
    configuration = root / _CONFIGURATION
    found = _URL.search(configuration.read_text()) if configuration.is_file() else None
    return Path(found[1]) if found else None


def _changes(old: Path, new: Path) -> list[tuple[str, str]]:
    """What to write in place of what: paths, addresses, and the links that a path with a ``?`` has for databases."""
    # Addresses first: one without anything to quote holds the path as it is.
    pairs = [(old.as_uri(), new.as_uri()), (str(old), str(new)), (str(database_folder(old)), str(database_folder(new)))]
    return [(f"{before}/", f"{now}/") for before, now in dict.fromkeys(pairs)]


def _rewrite(database: Path, changes: list[tuple[str, str]]) -> None:
    """Change every text of a database, whatever the version of ZenML or MLflow calls the column; all or nothing."""
    with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        for table, column in list(_columns(connection)):
            name = f'"{column}"'
            for old, new in changes:
                connection.execute(
                    f'update "{table}" set {name} = replace({name}, ?, ?) '  # noqa: S608
                    f"where typeof({name}) = 'text' and instr({name}, ?)",
                    (old, new, old),
                )


def _columns(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    for (table,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
        for column in connection.execute(f'pragma table_info("{table}")').fetchall():
            yield table, column[1]


@dataclass(frozen=True)
class _ArtifactStore:
    """What of an artifact store enters ZenML's cache keys."""

    id: Any
    path: str
    custom_cache_key: bytes | None


def keep_cached(store: str, before: str) -> None:
    """Give cached steps the keys that they have now that the artifact store `store` is no longer at `before`.

    ZenML's keys hold the path. Those of other code than that which is here now are left as they are: nobody will ask
    for them.
    """
    from zenml.client import Client
    from zenml.enums import ExecutionStatus, StackComponentType
    from zenml.orchestrators.cache_utils import generate_cache_key
    from zenml.stack import StackComponent
    from zenml.utils.pagination_utils import depaginate

    client = Client()
    kind, _, database = client.zen_store.url.partition(":///")
    if kind != "sqlite":
        return
    component = client.get_stack_component(StackComponentType.ARTIFACT_STORE, store)
    now = StackComponent.from_model(component)
    there = _ArtifactStore(now.id, before, now.custom_cache_key)
    keys = []
    for step in depaginate(
        client.list_run_steps, status=ExecutionStatus.COMPLETED, cache_expired=False, size=100, hydrate=True
    ):
        inputs = {name: step.inputs.get(name, []) for name in step.spec.normalized_inputs}
        old, new = (generate_cache_key(step, inputs, place, client.active_project.id) for place in (there, now))
        if old == step.cache_key:
            keys.append((new, step.id.hex))
    with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        connection.executemany("update step_run set cache_key = ? where id = ?", keys)
