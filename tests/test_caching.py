from pathlib import Path

import pytest

from steps.caching import code_of, reachable_modules

STEPS = (
    *("ingest", "validate", "drop_non_faces", "oversample", "fine_tune", "predict_public", "ensemble", "teach"),
    *("adopt_member", "evaluate", "register", "report"),
)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_depends_on_files_that_exist(name):
    files = code_of(f"steps.{name}").file_dependencies
    assert files
    for file in files:
        assert (Path(__file__).parents[1] / file).is_file()
        assert file.startswith("ferkit/")


def test_reach_goes_through_imports_of_imports_and_into_functions():
    reached = reachable_modules("steps.fine_tune")
    assert "ferkit.training.fine_tuning" in reached
    assert "ferkit.backbones.layers" in reached, "imported inside a function of a module that the step imports"
    assert "ferkit.validation" not in reached
    assert "ferkit.ensemble" not in reached
    assert "ferkit.training.distillation" not in reached, "another way to distil trains no member again"
    assert "ferkit.training.fine_tuning" not in reachable_modules("steps.teach")


def test_what_only_a_type_checker_imports_is_no_dependency():
    assert "ferkit.validation" in reachable_modules("steps.validate")
    assert "ferkit.validation" not in reachable_modules("ferkit.expectations")


def test_a_model_file_that_the_code_names_is_a_dependency():
    assert "ferkit/nonface_model.npz" in code_of("steps.drop_non_faces").file_dependencies
    assert "ferkit/nonface_model.npz" not in code_of("steps.ingest").file_dependencies


def test_steps_are_thin():
    """design.md: read arguments, call one domain function, log, return: at most 25 lines each."""
    import ast

    for path in (Path(__file__).parents[1] / "steps").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any("step" in ast.dump(each) for each in node.decorator_list):
                body = node.end_lineno - node.body[0].lineno + 1
                assert body <= 25, f"{path.name} {node.name}: {body} lines"
