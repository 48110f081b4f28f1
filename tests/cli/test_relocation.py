import sqlite3

import pytest

from ferkit.cli.state.relocation import follow
from ferkit.errors import ConfigError


def database(path, *values):
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("create table runs (id integer, artifact_uri text, weight blob)")
        connection.executemany("insert into runs values (1, ?, x'00')", [(value,) for value in values])
    connection.close()


def stored(path):
    with sqlite3.connect(path) as connection:
        found = [row[0] for row in connection.execute("select artifact_uri from runs order by rowid")]
    connection.close()
    return found


@pytest.fixture
def state(tmp_path):
    """A folder of state as versions before `follow` left it: ZenML's configuration tells where it lies."""
    root = tmp_path / "old place"
    database(root / "mlflow.db", f"{root.as_uri()}/mlartifacts/1", f"{root}2/other", "m-1")
    database(
        root / "zenml/local_stores/default_zen_store/zenml.db", f"{root}/artifacts/a", f'"sqlite:///{root}/mlflow.db"'
    )
    (root / "zenml" / "config.yaml").write_text(
        f"store:\n  database: {root}/zenml/local_stores/default_zen_store/zenml.db\n"
        f"  url: sqlite:///{root}/zenml/local_stores/default_zen_store/zenml.db\n"
    )
    return root


def test_paths_of_a_folder_that_was_moved_lead_to_its_new_place(state, tmp_path):
    assert follow(state) is None
    for name in ("new", "newer place"):
        before, moved = state, tmp_path / name
        state = state.rename(moved)
        assert follow(moved) == before
        assert follow(moved) is None
        assert stored(moved / "mlflow.db") == [
            f"{moved.as_uri()}/mlartifacts/1", f"{tmp_path / 'old place'}2/other", "m-1",
        ]  # fmt: skip
        assert stored(moved / "zenml/local_stores/default_zen_store/zenml.db") == [
            f"{moved}/artifacts/a", f'"sqlite:///{moved}/mlflow.db"',
        ]  # fmt: skip
        text = (moved / "zenml" / "config.yaml").read_text()
        assert text.count(f"{moved}/zenml/local_stores") == 2
        assert str(before) + "/" not in text


def test_a_new_folder_is_remembered(tmp_path):
    (tmp_path / "a").mkdir()
    assert follow(tmp_path / "a") is None
    (tmp_path / "a").rename(tmp_path / "b")
    assert follow(tmp_path / "b") == tmp_path / "a"


def test_a_database_that_cannot_be_changed_is_told_in_a_line(state, tmp_path):
    (state / "mlflow.db").write_bytes(b"this is no database" * 100)
    moved = state.rename(tmp_path / "new")
    with pytest.raises(ConfigError, match=r"new: this folder of state lay in .*old place, and the paths in its mlflow"):
        follow(moved)
