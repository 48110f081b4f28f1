"""What people expect of a repository: its forms, workflows and releases are what they say."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
RECIPES = dict(re.findall(r"^([a-z]+):[^\n]*\n((?:\t[^\n]*\n?)*)", MAKEFILE, re.MULTILINE))


def tool(name, *arguments, cwd=ROOT):
    command = [str(Path(sys.executable).with_name(name)), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", ".github/workflows/*.yml"),
        ("vendor.github-issue-forms", ".github/ISSUE_TEMPLATE/[fw]*.yml"),
        ("vendor.github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
        ("vendor.citation-file-format", "CITATION.cff"),
    ],
)
def test_forms_fit_their_schema(schema, files):
    found = sorted(ROOT.glob(files))
    assert found
    checked = tool("check-jsonschema", "--builtin-schema", schema, *found)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_workflows_run_targets_of_the_makefile():
    commands = [
        step["run"]
        for file in (ROOT / ".github" / "workflows").glob("*.yml")
        for job in yaml.safe_load(file.read_text())["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]
    targets = [target for command in commands for target in re.findall(r"\bmake ([a-z]+)", command)]
    assert {"lint", "test"} <= set(targets)
    assert set(targets) <= set(RECIPES)


def test_workflows_run_every_python_that_is_promised():
    text = (ROOT / "pyproject.toml").read_text()
    first, end = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', text).groups()
    promised = [f"3.{minor}" for minor in range(int(first), int(end))]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == promised


def test_hooks_are_the_linters_of_make_lint():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    entries = [hook["entry"].replace(" --force-exclude", "") for hook in hooks]
    linters = [line.strip().replace("$(BIN)", ".venv/bin") for line in RECIPES["lint"].splitlines()]
    # A hook is handed the files that changed.
    assert entries == [re.sub(r" (\.|Dockerfile)$", "", line) for line in linters]
    assert tool("pre-commit", "validate-config").returncode == 0


def test_a_release_sets_every_version_and_dates_the_changes(tmp_path):
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("pyproject.toml", "CITATION.cff", "CHANGELOG.md"):
        shutil.copy(ROOT / name, clone / name)
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], cwd=clone, check=True)
    for key in ("name", "email"):
        subprocess.run(["git", "config", f"user.{key}", "t@example.org"], cwd=clone, check=True)
    done = tool("bump-my-version", "bump", "--new-version", "7.8.9", cwd=clone)
    assert done.returncode == 0, done.stderr
    assert '\nversion = "7.8.9"\n' in (clone / "pyproject.toml").read_text()
    assert "\nversion: 7.8.9\n" in (clone / "CITATION.cff").read_text()
    assert re.search(r"## \[Unreleased\]\n\n## \[7\.8\.9\] - 20\d\d-\d\d-\d\d\n", (clone / "CHANGELOG.md").read_text())
    tags = subprocess.run(["git", "tag"], cwd=clone, capture_output=True, text=True, check=True).stdout
    assert tags == "v7.8.9\n"


def test_nothing_empty_was_committed_by_mistake():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    empty = [name for name in listed.splitlines() if (ROOT / name).is_file() and not (ROOT / name).stat().st_size]
    assert {Path(name).name for name in empty} <= {"__init__.py", "py.typed"}
