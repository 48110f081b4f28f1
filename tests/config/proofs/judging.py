"""Settings of ensembles, predictions, evaluations and of the registry's gate, observed of votes, figures and verdicts."""

from functools import cache

import numpy as np

from ferkit.data.targets import TargetSettings
from ferkit.evaluation.evaluate import evaluate
from ferkit.evaluation.metrics import EvaluationSettings, score
from ferkit.models.ensemble import EnsembleSettings, fit_ensemble
from ferkit.models.predictions import Predictions
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.promotion.gate import judge
from steps.figures import evaluation_figures
from tests.config.proofs.changes import different
from tests.config.proofs.sources import drawn
from tests.promotion.test_gate import gate, measurement, predicted_classes
from tests.training.test_fine_tune import marked_faces

# ruff: noqa: E501


@cache
def votes():
    """Three members that are right more and more often, and the labels."""
    generator = np.random.default_rng(0)
    label = generator.integers(0, 7, 200)
    right = np.eye(7)[label]
    said = {
        name: Predictions(
            "fer", "PublicTest", np.arange(200), _normal(generator.dirichlet(np.ones(7), 200) + skill * right)
        )
        for name, skill in (("a", 0.1), ("b", 0.3), ("c", 0.5))
    }
    return said, right.astype(np.float32)


def _normal(said):
    return (said / said.sum(axis=1, keepdims=True)).astype(np.float32)


def of_ensemble(**settings):
    return fit_ensemble(*votes(), EnsembleSettings(**settings))


def of_views(**settings):
    return [view.tobytes() for view in TestTimeAugmentation(**settings).augment(drawn().images[:2])]


def of_evaluation(**settings):
    generator = np.random.default_rng(0)
    predicted = generator.dirichlet(np.ones(7), 60).astype(np.float32)
    right = np.eye(7, dtype=np.float32)[generator.integers(0, 7, 60)]
    return score(predicted, right, EvaluationSettings(**{"bootstrap": 200, **settings}), seed=0).to_dict()


def of_grid(grid=16):
    faces = marked_faces()
    every = Predictions("fer", "PrivateTest", faces.of_split("PrivateTest").row, _normal(np.ones((21, 7))))
    public = Predictions("fer", "PublicTest", faces.of_split("PublicTest").row, _normal(np.ones((21, 7))))
    settings = EvaluationSettings(grid=grid, bootstrap=100)
    judged = evaluate("m", [public, every], faces, TargetSettings(), settings, 0)
    return evaluation_figures(judged, faces, settings, 0)["wrong-PrivateTest.png"]


def of_floor(pictures=600, **floors):
    """The verdict on a model that is right in 72 of 100, and never about the few pictures of one class."""
    labels = np.random.default_rng(0).integers(0, 7, pictures).astype(np.int8)
    labels[labels == 1] = 0
    labels[:5] = 1
    answers = predicted_classes(labels, 0.72, 0)
    answers[:5] = 0
    return judge(measurement("m", labels, answers), None, gate(floors), 0).passed


def of_change(targets=("fer", "ferplus"), **change):
    labels = np.random.default_rng(0).integers(0, 7, 600).astype(np.int8)
    champion, challenger = (
        measurement("m", labels, predicted_classes(labels, share, 0), targets=targets) for share in (0.7, 0.72)
    )
    return judge(challenger, champion, gate(**change), 0).reasons


def of_lost_target(**change):
    labels = np.random.default_rng(0).integers(0, 7, 600).astype(np.int8)
    answers = predicted_classes(labels, 0.7, 0)
    champion, challenger = (measurement("m", labels, answers, targets=each) for each in (("fer", "ferplus"), ("fer",)))
    return judge(challenger, champion, gate(**change), 0).reasons


def of_gate(**change):
    labels = np.random.default_rng(0).integers(0, 7, 600).astype(np.int8)
    champion, challenger = (measurement("m", labels, predicted_classes(labels, share, 0)) for share in (0.7, 0.72))
    checks = judge(challenger, champion, gate(**change), 0).checks
    return [each.reason for each in checks]


# By setting: a proof, or a test that sets it, in the file named.
EFFECTS = {
    "ensemble.method": different(of_ensemble, method="mean"),
    "ensemble.members": different(of_ensemble, members=("a", "b")),
    "ensemble.objective": different(of_ensemble, objective="log_loss"),
    "prediction.flip": different(of_views, flip=True),
    "prediction.crops": different(of_views, crops="five"),
    "evaluation.bootstrap": different(of_evaluation, bootstrap=300),
    "evaluation.confidence": different(of_evaluation, confidence=0.8),
    "evaluation.ece_bins": different(of_evaluation, ece_bins=3),
    "evaluation.private_test": "experiments/test_experiment_command::"
    "test_mlflow_has_one_parent_with_every_run_below_and_no_number_of_private_test",
    "evaluation.grid": different(of_grid, grid=4),
    "registry.register": "pipelines/test_train::test_the_ensemble_is_registered_with_its_lineage",
    "registry.singles": "registry/test_register::test_a_run_registers_its_ensemble_and_if_asked_its_networks",
    "registry.promote": "pipelines/test_cache::test_the_gate_is_asked_at_the_end_of_a_run_if_the_configuration_says_so",
    "registry.gate.floors.accuracy": different(of_floor, accuracy=0.9),
    "registry.gate.floors.macro_f1": different(of_floor, macro_f1=0.9),
    "registry.gate.floors.recall": different(of_floor, {"recall_pictures": 1}, recall=0.1),
    "registry.gate.floors.recall_pictures": different(of_floor, {"recall": 0.1}, recall_pictures=2),
    "registry.gate.floors.expected_calibration_error": different(of_floor, expected_calibration_error=0.01),
    "registry.gate.floors.latency_ms": different(of_floor, latency_ms=5),
    "registry.gate.change.target": different(of_change, target="ferplus"),
    "registry.gate.change.metric": different(of_change, metric="macro_f1"),
    "registry.gate.change.require": different(of_change, require="not_worse"),
    "registry.gate.change.least": different(of_change, least=0.3),
    "registry.gate.change.margin": different(of_change, {"require": "not_worse"}, margin=0.3),
    "registry.gate.change.alpha": different(of_gate, alpha=0.49),
    "registry.gate.change.may_lack": different(of_lost_target, may_lack=["ferplus"]),
}  # fmt: skip
