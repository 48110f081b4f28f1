"""What can be said of the image without building it; hadolint, in `make lint`, says the rest."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_context_holds_what_the_package_is_made_of():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")} - {"tests"}
    assert packages == {"ferkit", "materializers", "pipelines", "steps"}
    assert packages | {"pyproject.toml", project["project"]["readme"]} <= let_in
    assert (ROOT / re.search(r"^ARG LOCK=(\S+)$", DOCKERFILE, flags=re.MULTILINE)[1]).is_file()
    assert "requirements*.lock" in let_in


def test_steps_run_as_a_user_that_kubernetes_can_tell_is_not_root():
    user = re.findall(r"^USER (.+)$", DOCKERFILE, flags=re.MULTILINE)[-1]
    # runAsNonRoot refuses names: the kubelet cannot look them up.
    assert int(user) > 0
    assert f"useradd --create-home --uid {user} " in DOCKERFILE


def test_code_comes_after_libraries():
    """A changed line of code leaves the layers of the libraries as they are."""
    assert DOCKERFILE.index("--requirement /tmp/lock") < DOCKERFILE.index("COPY . .")
