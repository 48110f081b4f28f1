import re
from pathlib import Path

import pytest
from zenml.utils import source_utils

from steps import packages
from steps.caching import code_of, reachable_modules


@pytest.fixture(autouse=True, scope="module")
def source_root():
    """Where ZenML finds our code: pytest's processes have no main file that tells."""
    before = source_utils._CUSTOM_SOURCE_ROOT
    source_utils.set_custom_source_root(str(Path(__file__).parents[2]))
    yield
    source_utils.set_custom_source_root(before)


STEPS = (
    *("ingest", "validate", "drop_non_faces", "oversample", "fine_tune", "predict_public", "ensemble", "teach"),
    *("import_member", "evaluate", "register", "report"),
)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_depends_on_files_that_exist(name):
    files = code_of(f"steps.{name}").file_dependencies
    assert files
    for file in files:
        assert (Path(__file__).parents[2] / file).is_file()
        assert file.startswith("ferkit/")


def test_reach_goes_through_imports_of_imports_and_into_functions():
    reached = reachable_modules("steps.fine_tune")
    assert "ferkit.training.fine_tune" in reached
    assert "ferkit.backbones.layers" in reached, "imported inside a function of a module that the step imports"
    assert "ferkit.preparation.validation" not in reached
    assert "ferkit.models.ensemble" not in reached
    assert "ferkit.training.distillation" not in reached, "another way to distil trains no member again"
    assert "ferkit.training.fine_tune" not in reachable_modules("steps.teach")


def test_what_only_a_type_checker_imports_is_no_dependency():
    assert "ferkit.preparation.validation" in reachable_modules("steps.validate")
    assert "ferkit.preparation.validation" not in reachable_modules("ferkit.preparation.expectations")


def test_a_model_file_that_the_code_names_is_a_dependency():
    assert "ferkit/preparation/nonface_model.npz" in code_of("steps.drop_non_faces").file_dependencies
    assert "ferkit/preparation/nonface_model.npz" not in code_of("steps.ingest").file_dependencies


def test_steps_are_thin():
    """design.md: read arguments, call one domain function, log, return: at most 25 lines each."""
    import ast

    for path in (Path(__file__).parents[2] / "steps").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any("step" in ast.dump(each) for each in node.decorator_list):
                body = node.end_lineno - node.body[0].lineno + 1
                assert body <= 25, f"{path.name} {node.name}: {body} lines"


def versions_in_the_key_of(step):
    """What ZenML would ask."""
    asked = source_utils.load(code_of(f"steps.{step}").cache_func)()
    return dict(line.split("==") for line in asked.split())


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("fine_tune", {"keras", "tensorflow", "numpy", "h5py"}),
        ("import_member", {"keras", "tensorflow", "numpy"}),
        ("predict_public", {"keras", "tensorflow"}),
        ("oversample", {"imblearn", "sklearn", "numpy"}),
        ("validate", {"great_expectations", "pandas"}),
        ("report", {"matplotlib", "pandas"}),
        ("drop_non_faces", {"PIL", "numpy"}),
    ],
)
def test_a_step_depends_on_the_versions_of_the_packages_that_it_reaches(step, expected):
    found = versions_in_the_key_of(step)
    assert expected <= found.keys()
    assert "none" not in {found[name] for name in expected}
    assert re.fullmatch(r"3\.\d+", found["python"])


def test_no_step_depends_on_a_package_that_it_does_not_reach_or_that_no_number_comes_from():
    assert not versions_in_the_key_of("fine_tune").keys() & {"matplotlib", "imblearn", "pydantic", "rich", "ferkit"}
    assert "keras" not in versions_in_the_key_of("ensemble")


def test_the_backend_of_keras_counts_and_no_other(monkeypatch):
    assert not versions_in_the_key_of("fine_tune").keys() & {"jax", "torch"}
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    found = versions_in_the_key_of("fine_tune").keys()
    assert {"jax", "jaxlib"} <= found
    assert "tensorflow" not in found


def test_another_version_is_another_key(monkeypatch):
    before = versions_in_the_key_of("oversample")
    monkeypatch.setattr(packages.metadata, "version", lambda name: "99" if name == "imbalanced-learn" else "1")
    packages._version.cache_clear()
    assert versions_in_the_key_of("oversample")["imblearn"] == "99" != before["imblearn"]
    packages._version.cache_clear()
