"""The examples in docstrings run, and the names that a user starts from have one."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "ferkit").rglob("*.py")
    if "    >>> " in path.read_text()
)
STARTING = {
    "ferkit.backbones.network": ["build_network"],
    "ferkit.bundles.bundle": ["Bundle.predict", "load_bundle"],
    "ferkit.config.loading": ["load_config"],
    "ferkit.data.dataset": ["FaceDataset"],
    "ferkit.data.labels": ["class_names", "votes_to_labels"],
    "ferkit.data.picture_files": ["read_picture"],
    "ferkit.data.targets": ["labelled"],
    "ferkit.detection.loading": ["load_detector"],
    "ferkit.evaluation.evaluate": ["evaluate"],
    "ferkit.evaluation.paired_tests": ["compare_paired", "mcnemar"],
    "ferkit.evaluation.reliability": ["reliability"],
    "ferkit.inference.predictor": ["Predictor"],
    "ferkit.models.ensemble": ["combine", "fit_ensemble"],
    "ferkit.models.predictions": ["Predictions"],
    "ferkit.models.temperature": ["apply_temperature", "fit_temperature"],
    "ferkit.models.test_time_augmentation": ["TestTimeAugmentation"],
    "ferkit.preparation.balancing": ["oversample"],
    "ferkit.preparation.cleaning": ["drop_non_faces"],
    "ferkit.sources.synthetic.generate": ["generate"],
}


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module, monkeypatch):
    """In the root of the checkout, where a reader has the pictures and configurations that some name."""
    monkeypatch.chdir(ROOT)
    result = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted
    assert not result.failed


def test_the_names_that_a_user_starts_from_have_an_example():
    for module, names in STARTING.items():
        loaded = importlib.import_module(module)
        for name in names:
            found = loaded
            for part in name.split("."):
                found = getattr(found, part)
            examples = doctest.DocTestParser().get_examples(found.__doc__)
            assert examples, f"{module}.{name}"
            assert not any(doctest.SKIP in example.options for example in examples), f"{module}.{name}"
