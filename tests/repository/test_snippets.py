"""Every command and snippet of the pages: parsed by the command itself, checked as a configuration, or run.

A Python snippet is run, unless a comment ``<!-- needs ... -->`` in front of it says what it would need; then it is
compiled and what it imports is looked up.
"""

import ast
import importlib
import json
import re
import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml

import ferkit.backbones.registry as backbones
from ferkit.bundles import bundle
from ferkit.cli.app import app
from ferkit.config.loading import load_config, load_settings
from ferkit.config.run_config import RunConfig
from ferkit.experiments.cells import load_experiment
from ferkit.experiments.search.configs import is_search, load_search
from ferkit.stacks.settings import StackSettings
from ferkit.standalone.__main__ import _parser
from tests.toys.bundle import write_toy_bundle

ROOT = Path(__file__).parents[2]
# What CHANGELOG.md names may have another name by now.
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md"))
    if path.name != "CHANGELOG.md"
)
# Of the parser that typer has within it.
UsageError = typer.BadParameter.__mro__[1]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = {".venv/.ready", *re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)}
VARIABLES = set(re.findall(r"\$\((\w+)\)", MAKEFILE))
# Blocks that show what a command prints, or how things hang together.
SHOWN = {"text", "mermaid"}
CHECKED = {"sh", "python", "yaml", "json"}
BLOCK = re.compile(
    r"(?:^<!-- (?P<needs>needs [^>]+) -->\n)?^```(?P<language>\w*)\n(?P<fenced>.*?)^```$"
    r"|(?<=\n\n)(?P<indented>(?:    [^\n]*\n|\n(?=    ))+)",
    re.MULTILINE | re.DOTALL,
)
FERKIT, STANDALONE, SCRIPT = (
    ["ferkit"],
    ["python", "-m", "ferkit.standalone"],
    re.compile(r"(?:benchmarks|examples)/[\w/]+\.py"),
)


@dataclass(frozen=True)
class Block:
    """A block of code of a page; `language` is `sh` for an indented one."""

    page: str
    line: int
    language: str
    text: str
    needs: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def read_blocks(page):
    text = (ROOT / page).read_text()
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["indented"] is not None:
            yield Block(page, line, "sh", re.sub(r"^    ", "", found["indented"], flags=re.MULTILINE), None)
        else:
            yield Block(page, line, found["language"], found["fenced"], found["needs"])


BLOCKS = [block for page in PAGES for block in read_blocks(page)]


def of(language):
    return [block for block in BLOCKS if block.language == language]


def simple_commands(line):
    """The commands of a line of shell, as lists of words, without variables in front and what only a shell reads."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, "#"
    words = []
    for word in (*lexer, ";"):
        if set(word) <= set(";|&()") and word:
            if words:
                yield words
            words = []
        elif words or (word not in ("do", "then", "until", "while") and not re.match(r"[A-Z_]+=", word)):
            words.append(word.removeprefix(".venv/bin/"))


def commands(page):
    """Every command of the blocks of a page, and of the code within its lines."""
    text = (ROOT / page).read_text()
    for block in BLOCKS:
        if block.page == page and block.language == "sh":
            # Text that is no shell, such as a listing of a folder, may hold a single quote.
            for line in block.text.replace("\\\n", " ").splitlines():
                if re.search(r"\b(ferkit|make|benchmarks|examples)\b", line):
                    yield from simple_commands(line)
    for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", BLOCK.sub("", text)):
        if re.match(r"(?:[A-Z_]+=\S+ )*(?:ferkit|make|python) \S", code):
            yield from simple_commands(code.replace("\n", " "))


def parse(command, arguments, context=None):
    """Parse a command line down to its last subcommand, and run nothing; a wrong word raises.

    In a sentence, an argument that is not to the point may be left out.
    """
    try:
        parsed = command.make_context(command.name, list(arguments), parent=context)
    except UsageError as error:
        if type(error).__name__ == "MissingParameter":
            return [command.name]
        if "requires an argument" in error.message:
            return parse(command, [*arguments, "1"], context)
        raise
    rest = [*parsed._protected_args, *parsed.args]
    if rest:
        name, found, rest = command.resolve_command(parsed, rest)
        return [name, *parse(found, rest, parsed)]
    return []


def check(words):
    """Whether these words are a command of ours that the repository knows; None for one of others."""
    if words[:1] == FERKIT:
        # These would be done at once.
        if words[1:] in ([], ["--help"], ["--version"], ["--install-completion"]):
            return True
        return bool(parse(typer.main.get_command(app), [word for word in words[1:] if word != "--help"]))
    if words[:3] == STANDALONE:
        # In a sentence the command stands for itself.
        return len(words) == 3 or _parser().parse_args(words[3:]) is not None
    if words[0] == "make":
        for word in words[1:]:
            variable, equals, _ = word.partition("=")
            assert variable in (VARIABLES if equals else TARGETS), word
        return True
    if words[0] == "python" and len(words) > 1 and SCRIPT.fullmatch(words[1]):
        source = (ROOT / words[1]).read_text()
        for word in words[2:]:
            assert not word.startswith("--") or word == "--set" or f'"{word}"' in source, word
        return True
    return None


@pytest.mark.parametrize("page", PAGES)
def test_commands_parse(page):
    for words in commands(page):
        assert check([word.strip("[]") for word in words if word != "..."]) in (True, None), words


def test_commands_are_found():
    ours = {
        page: [words for words in commands(page) if check(words)] for page in ("README.md", "docs/guides/cluster.md")
    }
    assert len(ours["README.md"]) > 12
    assert len(ours["docs/guides/cluster.md"]) > 5
    line = "until make run; do A=1 .venv/bin/ferkit run x --set 'a={b: c}'; done  # so; it's much"
    expected = [["make", "run"], ["ferkit", "run", "x", "--set", "a={b: c}"], ["done"]]
    assert list(simple_commands(line)) == expected
    with pytest.raises(UsageError):
        check(["ferkit", "run", "x", "--no-such-option"])
    with pytest.raises(AssertionError):
        check(["make", "nothing"])


def load_experiment_or_search(file):
    return load_search(file) if is_search(file) else load_experiment(file)


@pytest.mark.parametrize("page", PAGES)
def test_overrides_are_accepted(page):
    """Every `CONFIG --set ...` that is shown is a valid configuration."""
    for words in commands(page):
        configs = [word for word in words if word.startswith("configs/") and "stacks" not in word]
        overrides = [value for flag, value in pairwise(words) if flag == "--set"]
        for config in configs if words[:1] == FERKIT or words[:3] == STANDALONE else ():
            assert (ROOT / config).is_file(), config
            if "/experiments/" in config:
                load_experiment_or_search(ROOT / config)
            else:
                load_config(ROOT / config, overrides)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_has_a_language(block):
    assert block.language in SHOWN | CHECKED


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_yaml_is_a_valid_configuration(block, tmp_path):
    shown = yaml.safe_load(block.text)
    if "base" in shown:
        file = tmp_path / "shown.yaml"
        base = (ROOT / "configs" / Path(shown["base"]).name).as_posix()
        file.write_text(yaml.safe_dump({**shown, "base": base}, sort_keys=False))
        assert load_experiment_or_search(file)
        return
    kind, base = (
        (RunConfig, "fer2013.yaml")
        if set(shown) <= set(RunConfig.model_fields)
        else (StackSettings, "stacks/local.yaml")
    )
    file = tmp_path / "shown.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load((ROOT / "configs" / base).read_text()) | shown))
    assert load_config(file) if kind is RunConfig else load_settings(file, kind)


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json_is_json(block):
    assert json.loads(block.text)


@pytest.fixture(scope="module")
def toy_bundle(tmp_path_factory):
    return write_toy_bundle(tmp_path_factory.mktemp("reference"))


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_runs(block, tmp_path, monkeypatch, toy_bundle):
    code = compile(block.text, str(block), "exec")
    if block.needs:
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names), block.text
        return
    # What a reader has: a checkout, a picture, faces that were cut already. What is registered stays with the snippet.
    if block.page != "README.md":
        # Its networks are built in a second, the shipped ones in ten.
        monkeypatch.setattr(bundle, "SHIPPED", toy_bundle)
    monkeypatch.setattr(backbones, "_REGISTRY", dict(backbones._REGISTRY))
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    (tmp_path / "holiday.jpg").symlink_to(ROOT / "docs" / "images" / "faces.png")
    monkeypatch.chdir(tmp_path)
    exec(code, {"pictures": np.random.default_rng(0).integers(0, 256, (2, 48, 48), dtype=np.uint8)})
