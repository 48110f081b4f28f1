"""Names are the field's: a person who reads a signature needs no dictionary of ours."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    file for room in ("ferkit", "pipelines", "steps", "materializers") for file in (ROOT / room).rglob("*.py")
)

# What each of these words was, a person in this field calls prediction, probabilities, report, request, soft target,
# teacher prediction, result, frame, progress, measurement, import, test-time augmentation, picture table, writer.
RIDDLES = {
    *("said", "told", "tell", "ask", "asked", "lesson", "lessons", "opinion", "opinions", "look", "shot", "shots"),
    *("stand", "trial", "trials", "adoption", "views", "facts", "sighting", "sightings"),
}


def words_of(name: str) -> set[str]:
    """``student_tta`` and ``PictureFrame``, word by word."""
    return set(re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()))


def names_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Classes, their fields, functions and parameters, with the lines that they stand in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                    yield each.lineno, each.target.id
        if isinstance(node, ast.arg):
            yield node.lineno, node.arg


def test_no_name_is_a_riddle():
    found = [f"{file.relative_to(ROOT)}: the module" for file in FILES if words_of(file.stem) & RIDDLES]
    found += [
        f"{file.relative_to(ROOT)}:{line} {name}"
        for file in FILES
        for line, name in names_of(ast.parse(file.read_text()))
        if words_of(name) & RIDDLES
    ]
    assert not found


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("def predict(images, *, views=1, **told): ...", {"predict", "images", "views", "told"}),
        ("class FirstLook:\n    said: int\n    def of(self): ...", {"FirstLook", "said", "of", "self"}),
        ("handle = lambda shot: shot", {"shot"}),
    ],
)
def test_every_name_of_a_signature_is_read(code, names):
    assert {name for _, name in names_of(ast.parse(code))} == names
    assert any(words_of(name) & RIDDLES for name in names)
