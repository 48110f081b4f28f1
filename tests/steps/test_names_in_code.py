import pytest

from steps import names_in_code
from steps.names_in_code import keep, names_in

_CODE = """
import ast
from ferkit.data import labels
if TYPE_CHECKING:
    import pandas
def load():
    from ferkit.models.predictions import Predictions
    return Path(__file__).with_name("model.npz"), "a text, no file"
"""


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Where names are kept; nothing is known of earlier processes."""
    monkeypatch.setattr(names_in_code, "_KEPT", tmp_path / "kept" / "names.json")
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    return tmp_path / "kept" / "names.json"


def as_a_new_process():
    for function in (names_in_code.names_in, names_in_code._kept):
        function.cache_clear()
    names_in_code._NEW.clear()


@pytest.fixture(autouse=True)
def forgotten():
    as_a_new_process()
    yield
    as_a_new_process()


@pytest.fixture
def module(tmp_path):
    (tmp_path / "module.py").write_text(_CODE)
    return tmp_path / "module.py"


def test_names_are_what_is_executed(module, kept):
    names = names_in(module)
    assert names.imported == (
        *("ast", "ferkit.data", "ferkit.data.labels"),
        *("ferkit.models.predictions", "ferkit.models.predictions.Predictions"),
    )
    assert names.files == ("model.npz",)


def test_a_later_process_parses_only_what_is_new(module, kept, monkeypatch):
    names = names_in(module)
    keep()
    as_a_new_process()
    parsed, parse = [], names_in_code._parsed
    monkeypatch.setattr(names_in_code, "_parsed", lambda text: parsed.append(text) or parse(text))
    assert names_in(module) == names
    assert not parsed
    as_a_new_process()
    module.write_text("import csv")
    assert names_in(module).imported == ("csv",)
    assert parsed == [b"import csv"]


def test_a_damaged_file_is_made_again(module, kept):
    names = names_in(module)
    keep()
    for content in (b"", b"[1]", b"{"):
        kept.write_bytes(content)
        as_a_new_process()
        assert names_in(module) == names
        keep()
        as_a_new_process()
        assert names_in_code._kept()


def test_nothing_is_kept_where_python_may_write_no_bytecode(module, kept, monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    names_in(module)
    keep()
    assert not kept.exists()


def test_a_folder_that_cannot_be_written_is_no_error(module, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(names_in_code, "_KEPT", tmp_path / "file" / "names.json")
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    names_in(module)
    keep()
