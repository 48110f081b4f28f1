"""Every setting changes something, or is refused: a table over the whole schema, to which a new setting must be added.

A setting is shown to change something right here where that takes no time, else by the test that the table names, which
has to be there and to set it.
"""

import ast
import tempfile
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml
from pydantic import BaseModel

from ferkit.config.loading import load_config
from ferkit.config.run_config import RunConfig
from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import ConfigError, DataError
from ferkit.evaluation.metrics import EvaluationSettings, score
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.preparation.cleaning import CleaningSettings, drop_non_faces
from ferkit.preparation.validation import validate
from ferkit.preparation.validation_settings import ValidationSettings
from ferkit.promotion.gate import judge
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from ferkit.training.checkpoint import Progress
from ferkit.training.epochs import Epochs
from ferkit.training.examples import SelectionExamples, join
from ferkit.training.settings import PhaseSettings, TrainingSettings
from tests.config.test_run_config import SMALLEST
from tests.promotion.test_gate import gate, measurement, predicted_classes
from tests.toys.setting_effects import (
    Refusal,
    of_augmentation,
    of_change,
    of_columns,
    of_distillation,
    of_ensemble,
    of_entry,
    of_execution,
    of_fer2013,
    of_floor,
    of_folder,
    of_freedom,
    of_grid,
    of_huggingface,
    of_minority,
    of_mixing,
    of_network,
    of_published,
    of_run_seed,
    of_selection,
    of_shards,
    of_smoothing,
    of_stages,
    of_streamed,
    of_table,
    of_tracking,
    of_weights,
)
from tests.training.test_fine_tune import BACKBONE, marked_faces, train

FERNET = [{"name": "fernet"}]
PRETRAINED = [{"name": "mobilenet_vggface2"}]


@cache
def drawn(**settings) -> FaceDataset:
    return generate(SyntheticSettings(**{"count": 200, "duplicates": 0.2, "non_faces": 0.2, **settings})).faces


def of_data(**settings):
    return drawn(**settings).content_hash()


def of_validation(**settings):
    """What passes, and how many rows are put aside."""
    loose = {"minimum_training": 10, "maximum_copies": 1, "maximum_constant": 1, "minimum_agreement": 0}
    faces = drawn()
    votes = faces.votes.copy()
    votes[:30] = 0
    blind = FaceDataset(faces.images, faces.label, faces.split, faces.row, votes)
    try:
        done = validate(blind, ValidationSettings(**{**loose, "maximum_without_votes": 1, **settings}))
    except DataError as error:
        return str(error)
    return done.expectations["passed"].tolist(), len(done.quarantined)


def of_cleaning(**settings):
    return drop_non_faces(drawn(), CleaningSettings(**settings)).faces.content_hash()


def with_a_manifest():
    """The manifest of `cleaning.exclude` names the first face, and no other is dropped."""
    faces = drawn()
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "mine.csv"
        manifest.write_text(f"row,sha256\n{faces.row[0]},{faces.picture_hashes()[0]}\n")
        kept = drop_non_faces(faces, CleaningSettings(exclude=manifest)).faces
    return kept.content_hash() == faces.take(np.arange(1, len(faces))).content_hash()


def of_balancing(**settings):
    settings = {"method": "random_over_sampler", **settings}
    return oversample(drawn(), TargetSettings(), BalancingSettings(**settings), 0).content_hash()


def of_targets(**settings):
    target = TargetSettings(**{"name": "ferplus", **settings})
    balanced = oversample(drawn(), target, BalancingSettings(), 0)
    return balanced.content_hash(), len(labelled(drawn(), target)[0])


def of_plateau(**settings):
    phase, progress = PhaseSettings(schedule="plateau", **settings), Progress()
    for _ in range(12):
        progress.account(0.5, phase)
    return progress.rate_factor


EPOCHS = 4


@cache
def trained(monitor):
    # The most accurate epoch and that of the least loss are different ones, at least where this was written.
    return train(epochs=EPOCHS, learning_rate=0.01, batch_size=8, monitor=monitor)


def the_monitor_chooses_the_epoch():
    most_accurate, least_loss = trained("accuracy"), trained("loss")
    epochs = most_accurate.history["val_accuracy"].idxmax(), least_loss.history["val_loss"].idxmin()
    return (most_accurate.best_epoch, least_loss.best_epoch) == epochs


def of_views(**settings):
    return [view.tobytes() for view in TestTimeAugmentation(**settings).augment(drawn().images[:2])]


def of_evaluation(**settings):
    generator = np.random.default_rng(0)
    predicted = generator.dirichlet(np.ones(7), 60).astype(np.float32)
    right = np.eye(7, dtype=np.float32)[generator.integers(0, 7, 60)]
    return score(predicted, right, EvaluationSettings(**{"bootstrap": 200, **settings}), seed=0).to_dict()


def of_rate(**settings):
    import keras

    from ferkit.training.learning_rate import Rate

    rate = Rate(PhaseSettings(**settings), steps=10)
    rate.attach(keras.optimizers.SGD(rate))
    return [float(rate(step)) for step in (0, 5, 25)]


def of_optimizer(**settings):
    """What an epoch and its steps are made with."""
    from ferkit.backbones import build_network

    faces = marked_faces()
    examples = join({"fer": oversample(faces, TargetSettings(), BalancingSettings(), 0)})
    selection = SelectionExamples.of(faces.of_split("PublicTest"), [TargetSettings()])
    training = TrainingSettings(**settings)
    epochs = Epochs(build_network(BACKBONE, {"fer": 7}, seed=0), examples, selection, training, 0, "toy")
    epochs.compile(training.network)
    optimizer = epochs._trainer.optimizer
    numbers = {name: getattr(optimizer, name, None) for name in ("weight_decay", "momentum", "ema_momentum")}
    return type(optimizer).__name__, numbers, epochs._steps


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


def seed_of(**entry):
    config = RunConfig.model_validate({**SMALLEST, "seed": 2, "backbones": [{"name": "fernet", **entry}]})
    return config.seed_of(config.trained()[0])


_SEEN = {}


def different(observe, given=None, **change):
    """A proof: what is observed of the settings `given`, and of all defaults else, is another thing once one changes."""

    def proof():
        before = observe.__name__, repr(given)
        if before not in _SEEN:
            _SEEN[before] = observe(**(given or {}))
        assert not isinstance(_SEEN[before], Refusal), "refused before anything is changed"
        return observe(**{**(given or {}), **change}) != _SEEN[before]

    return proof


# Of the same folder; every source deals its pictures by the same function.
_FOLDS = {"folds": 2, "fold": 0, "by": "subject"}
_OF_FOLDS = {"folds": 3, "fold": 1, "by": "picture", "seed": 1, "validation_fraction": 0.7}
_SUBJECT = {"subject": "/(S[0-9]+)_"}
_FOLDED = ("fer2013", "huggingface", "published", "shards", "synthetic", "table")

# By setting: a proof, or a test that sets it, in the file named.
# ruff: noqa: E501
EFFECTS = {
    "name": different(of_tracking, name="other"),
    "experiment": different(of_tracking, experiment="other"),
    "seed": different(of_run_seed, seed=3),
    "data.fer2013.path": different(of_fer2013, path="other-table"),
    "data.fer2013.ferplus": different(of_fer2013, ferplus="off"),
    "data.table.path": different(of_table, path="damaged.csv"),
    "data.table.root": "sources/test_table::test_names_are_relative_to_root",
    "data.table.labels": different(of_table, labels={"0": "rage"}),
    "data.table.validation_fraction": different(of_table, validation_fraction=0.4),
    "data.table.test_fraction": different(of_table, test_fraction=0.4),
    "data.table.seed": different(of_table, seed=4),
    "data.table.maximum_damaged": different(of_table, {"path": "damaged.csv"}, maximum_damaged=0),
    "data.table.stream": different(of_table, stream=True),
    "data.table.side": different(of_table, {"stream": True}, side=32),
    "data.table.colour": different(of_table, {"stream": True}, colour="rgb"),
    "data.table.columns.file": "sources/test_table::test_columns_of_other_names",
    "data.table.columns.label": different(of_columns, label="other"),
    "data.table.columns.split": different(of_columns, split="part"),
    "data.table.columns.subject": different(of_columns, subject="who"),
    "data.table.columns.weight": different(of_columns, weight="counts"),
    "data.table.columns.box": different(of_columns, box=("across", "down", "wide", "high")),
    "data.huggingface.path": different(of_huggingface, path="others"),
    "data.huggingface.image": different(of_huggingface, image="mirrored"),
    "data.huggingface.label": different(of_huggingface, label="other"),
    "data.huggingface.labels": different(of_huggingface, labels={"calm": None}),
    "data.huggingface.validation_fraction": different(of_huggingface, validation_fraction=0.4),
    "data.huggingface.test_fraction": different(of_huggingface, test_fraction=0.4),
    "data.huggingface.seed": different(of_huggingface, seed=4),
    "data.huggingface.maximum_damaged": different(of_huggingface, {"path": "others"}, maximum_damaged=0),
    "data.huggingface.stream": different(of_huggingface, stream=True),
    "data.huggingface.side": different(of_huggingface, {"stream": True}, side=32),
    "data.huggingface.colour": different(of_huggingface, {"stream": True}, colour="rgb"),
    "data.published.layout": lambda: of_published() != of_published(layout="kdef"),
    "data.published.path": lambda: of_published() != of_published(path="kdef"),
    "data.published.labels": different(of_published, labels={"happy": None}),
    "data.published.validation_fraction": different(of_published, validation_fraction=0.6),
    "data.published.test_fraction": different(of_published, test_fraction=0.6),
    "data.published.seed": different(of_published, seed=4),
    "data.published.maximum_damaged": lambda: of_published() != of_published(path="broken", maximum_damaged=0),
    "data.published.stream": different(of_published, stream=True),
    "data.published.side": different(of_published, {"stream": True}, side=32),
    "data.published.colour": different(of_published, {"stream": True}, colour="rgb"),
    **{f"data.folder.split.{name}": different(of_folder, {"split": _FOLDS, **_SUBJECT}, split={**_FOLDS, name: value}) for name, value in _OF_FOLDS.items() if name != "validation_fraction"},
    "data.folder.split.validation_fraction": different(of_folder, {"split": {**_FOLDS, "by": "picture"}}, split={**_FOLDS, "by": "picture", "validation_fraction": 0.7}),
    **{f"data.{source}.split.{name}": "sources/test_folds::test_each_fold_is_data_of_its_own_and_without_folds_nothing_changes" for source in _FOLDED for name in _OF_FOLDS},
    "data.folder.crop": "sources/test_cropping::test_each_face_is_cut_as_predict_cuts_it",
    "data.table.crop": "sources/test_cropping::test_where_a_box_says_which_face_is_meant_that_one_is_cut",
    "data.huggingface.crop": "sources/test_cropping::test_pictures_in_parquet_are_cut_too",
    "data.published.crop": "sources/test_cropping::test_each_face_is_cut_as_predict_cuts_it",
    "data.folder.path": different(of_folder, path="damaged"),
    "data.folder.validation_fraction": different(of_folder, validation_fraction=0.4),
    "data.folder.test_fraction": different(of_folder, {"path": "untested"}, test_fraction=0.4),
    "data.folder.labels": different(of_folder, labels={"angry": "rage"}),
    "data.folder.seed": different(of_folder, seed=4),
    "data.folder.subject": different(of_folder, subject="/(S[0-9]+)_"),
    "data.folder.maximum_damaged": different(of_folder, {"path": "damaged"}, maximum_damaged=0),
    "data.folder.stream": different(of_folder, stream=True),
    "data.folder.side": different(of_streamed, side=32),
    "data.folder.colour": different(of_streamed, colour="rgb"),
    "data.shards.maximum_damaged": different(of_shards, {"path": "damaged-shards"}, maximum_damaged=0),
    "data.shards.path": different(of_shards, path="damaged-shards"),
    "data.shards.side": different(of_shards, side=32),
    "data.shards.colour": different(of_shards, colour="rgb"),
    "data.synthetic.count": different(of_data, count=210),
    "data.synthetic.seed": different(of_data, seed=1),
    "data.synthetic.label_noise": different(of_data, label_noise=0.3),
    "data.synthetic.duplicates": different(of_data, duplicates=0.1),
    "data.synthetic.non_faces": different(of_data, non_faces=0.1),
    "validation.minimum_training": different(of_validation, minimum_training=170),
    "validation.minimum_evaluation": different(of_validation, minimum_evaluation=21),
    "validation.minimum_class": different(of_validation, minimum_class=100),
    "validation.maximum_constant": different(of_validation, maximum_constant=0),
    "validation.maximum_copies": different(of_validation, maximum_copies=0),
    "validation.maximum_without_votes": different(of_validation, maximum_without_votes=0),
    "validation.minimum_agreement": different(of_validation, minimum_agreement=1),
    "validation.constant": different(of_validation, constant="keep"),
    "validation.copies_in_training": different(of_validation, copies_in_training="quarantine"),
    "validation.copies_across_splits": different(of_validation, copies_across_splits="quarantine"),
    "validation.conflicting_labels": different(of_validation, conflicting_labels="quarantine"),
    "cleaning.pixels": different(of_cleaning, pixels=False),
    "cleaning.threshold": different(of_cleaning, threshold=0.9999),
    "cleaning.ferplus_votes": different(of_cleaning, ferplus_votes=True, nf_votes=1),
    "cleaning.nf_votes": different(of_cleaning, {"pixels": False, "ferplus_votes": True}, nf_votes=9),
    "cleaning.splits": different(of_cleaning, splits=("Training", "PublicTest")),
    "cleaning.exclude": with_a_manifest,
    "balancing.method": different(of_balancing, method="none"),
    "balancing.class_weight": different(of_balancing, class_weight=True),
    "balancing.ratio": different(of_balancing, ratio=0.5),
    "balancing.neighbours": different(of_minority, {"method": "smote"}, neighbours=2),
    "balancing.disgust_factor": different(of_minority, {"method": "augment_disgust"}, disgust_factor=2),
    "targets.name": lambda: of_targets() != of_targets(name="fer"),
    "targets.classes": different(of_targets, {"name": "mine"}, classes=FER_EMOTIONS[::-1]),
    "targets.map": different(of_targets, {"name": "mine"}, map={"sad": None}),
    "targets.train_on": different(of_targets, train_on="majority"),
    "targets.protocol": different(of_targets, protocol="argmax"),
    "targets.votes": different(of_targets, {"name": "fer"}, votes=0.3),
    "backbones.name": different(of_network, name="fernet_se"),
    "backbones.alias": different(of_entry, alias="mine"),
    "backbones.input_size": different(of_network, input_size=32),
    "backbones.weights": different(of_weights, weights="file"),
    "backbones.width": different(of_network, width=8),
    "backbones.depth": different(of_stages, depth=2),
    "backbones.stages": different(of_stages, {"depth": 2}, stages=(1, 2)),
    "backbones.hidden": different(of_network, hidden=(9,)),
    "backbones.dropout": different(of_network, dropout=0.9),
    "backbones.training": different(of_entry, training={"network": {"epochs": 7}}),
    "backbones.targets": different(of_entry, targets=["fer"]),
    "backbones.seed": lambda: seed_of(seed=3) != seed_of(),
    "backbones.joint": different(of_entry, joint=True),
    "backbones.teacher": lambda: len({str(of_entry(teacher=each)) for each in (None, "ensemble", "answers.npz")}) == 3,
    "training.network.epochs": lambda: len(trained("accuracy").history) == EPOCHS != TrainingSettings().network.epochs,
    "training.network.learning_rate": different(of_rate, learning_rate=0.5),
    "training.network.schedule": different(of_rate, schedule="cosine"),
    "training.network.warmup_epochs": different(of_rate, warmup_epochs=2),
    "training.network.plateau_factor": different(of_plateau, plateau_factor=0.25),
    "training.network.plateau_patience": different(of_plateau, plateau_patience=3),
    "training.head.epochs": "training/test_fine_tune::test_the_head_learns_alone_first_where_the_backbone_is_pretrained",
    "training.head.learning_rate": different(of_rate, learning_rate=0.5),
    "training.head.augment": "training/test_kept_features::test_a_head_alone_learns_the_same_and_each_picture_is_looked_at_once",
    "training.network.layer_decay": "training/test_fine_tune::test_a_stage_learns_slower_the_deeper_it_lies",
    "training.head.schedule": different(of_rate, schedule="cosine"),
    "training.head.warmup_epochs": different(of_rate, warmup_epochs=2),
    "training.head.plateau_factor": different(of_plateau, plateau_factor=0.25),
    "training.head.plateau_patience": different(of_plateau, plateau_patience=3),
    "training.unfreeze": different(of_freedom, unfreeze=0.3),
    "training.batch_norm": different(of_freedom, batch_norm="frozen"),
    "training.batch_size": different(of_optimizer, batch_size=7),
    "training.optimizer": different(of_optimizer, optimizer="adam"),
    "training.momentum": lambda: of_optimizer(optimizer="sgd", momentum=0.5) != of_optimizer(optimizer="sgd"),
    "training.weight_decay": different(of_optimizer, weight_decay=0.3),
    "training.label_smoothing": different(of_smoothing, label_smoothing=0.2),
    "training.monitor": the_monitor_chooses_the_epoch,
    "training.patience": "training/test_fine_tune::test_a_phase_ends_after_patience_epochs_without_improvement",
    "training.augmentation.flip": different(of_augmentation, flip=1),
    "training.augmentation.rotation": different(of_augmentation, rotation=20),
    "training.augmentation.shift": different(of_augmentation, shift=0.2),
    "training.augmentation.zoom": different(of_augmentation, zoom=0.2),
    "training.augmentation.contrast": different(of_augmentation, contrast=0.5),
    "training.augmentation.brightness": different(of_augmentation, brightness=0.5),
    "training.augmentation.erasing": different(of_augmentation, erasing=1),
    "training.augmentation.erasing_area": different(of_augmentation, {"erasing": 1}, erasing_area=0.6),
    "training.mixing.mixup": different(of_mixing, mixup=0.5),
    "training.mixing.cutmix": different(of_mixing, cutmix=0.5),
    "training.mixing.probability": different(of_mixing, {"mixup": 0.5}, probability=0.2),
    "training.average": different(of_optimizer, average=0.9),
    "training.execution.precision": different(of_execution, precision="mixed_float16"),
    "training.execution.compile": different(of_execution, {"compile": "on"}, compile="off"),
    "training.execution.steps_per_execution": different(of_execution, steps_per_execution=4),
    "training.execution.devices": different(of_execution, devices=64),
    "selection.duplicates": different(of_selection, duplicates="keep"),
    "distillation.weight": different(of_distillation, weight=0.2),
    "distillation.temperature": different(of_distillation, temperature=3),
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


def leaves(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Dotted names of every setting; what a source reads is named after it."""
    found = []
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        sections = list(sections_in(field.annotation))
        # They ask for what a step needs, which the orchestrator's own tests show; `source` names the section.
        if key.rsplit(".", maxsplit=1)[-1] in ("source", "resources"):
            continue
        if not sections:
            found.append(key)
        for section in sections:
            of_source = f".{section.model_fields['source'].default}" if len(sections) > 1 else ""
            found += leaves(section, f"{key}{of_source}.")
    return found


def sections_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from sections_in(part)


def test_the_table_has_every_setting():
    assert sorted(leaves(RunConfig)) == sorted(EFFECTS)


@pytest.mark.parametrize("setting", [name for name, proof in EFFECTS.items() if callable(proof)])
def test_a_setting_changes_something(setting):
    assert EFFECTS[setting]()


@pytest.mark.parametrize("setting", [name for name, proof in EFFECTS.items() if not callable(proof)])
def test_a_setting_that_another_test_proves(setting):
    file, _, name = EFFECTS[setting].partition("::")
    text = (Path(__file__).parents[1] / f"{file}.py").read_text()
    assert name in {each.name for each in ast.parse(text).body if isinstance(each, ast.FunctionDef)}
    assert setting.rpartition(".")[2] in text


STILL = {"flip": 0, "rotation": 0, "shift": 0, "zoom": 0}
STUDENT = {"name": "fernet", "alias": "s", "teacher": "ensemble"}
MULTI_LABEL = {"name": "ferplus", "train_on": "multi_target"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"momentum": 0.5}}, "training.momentum has no effect: optimizer adamw has none"),
        ({"training": {"unfreeze": 0.5}}, "training.unfreeze has no effect: a network with random weights"),
        ({"training": {"head": {"epochs": 5}}}, "training.head.epochs has no effect: a network with random weights"),
        (
            {"training": {"network": {"plateau_patience": 2}}},
            "training.network.plateau_patience has no effect: training.network.schedule is cosine",
        ),
        ({"training": {"mixing": {"probability": 0.5}}}, "training.mixing.probability has no effect"),
        ({"training": {"augmentation": {"erasing_area": 0.5}}}, "training.augmentation.erasing_area has no effect"),
        (
            {"training": {"network": {"epochs": 3, "warmup_epochs": 3}}},
            "training.network.warmup_epochs 3 leaves schedule cosine nothing of 3",
        ),
        (
            {"backbones": PRETRAINED, "training": {"network": {"epochs": 0, "learning_rate": 0.5}}},
            "training.network.learning_rate has no effect: training.network.epochs is 0",
        ),
        (
            {"backbones": PRETRAINED, "training": {"head": {"epochs": 0, "learning_rate": 0.5}}},
            "training.head.learning_rate has no effect: training.head.epochs is 0",
        ),
        (
            {"backbones": PRETRAINED, "training": {"head": {"augment": False}, "augmentation": STILL}},
            "training.head.augment has no effect: augmentation and mixing change nothing",
        ),
        (
            {
                "backbones": PRETRAINED,
                "training": {"head": {"augment": False}, "network": {"epochs": 0}, "augmentation": {"rotation": 5}},
            },
            "training.augmentation.rotation has no effect: training.network.epochs is 0, so that the head learns alone, "
            "and training.head.augment is false",
        ),
        (
            {"backbones": PRETRAINED, "training": {"network": {"epochs": 0}, "unfreeze": 0.5}},
            "training.unfreeze has no effect: training.network.epochs is 0",
        ),
        (
            {"backbones": PRETRAINED, "training": {"unfreeze": "none", "network": {"layer_decay": 0.9}}},
            "training.network.layer_decay has no effect: unfreeze is none",
        ),
        ({"training": {"network": {"layer_decay": 0.9}}}, "training.network.layer_decay has no effect: a network with"),
        (
            {"backbones": [*PRETRAINED, {"name": "fernet", "training": {"unfreeze": "none"}}]},
            "backbones.fernet.training.unfreeze has no effect",
        ),
        ({"targets": [{"name": "fer", "train_on": "majority"}]}, "targets.fer.train_on has no effect: fer has one"),
        ({"targets": [{"name": "fer", "protocol": "argmax"}]}, "targets.fer.protocol has no effect"),
        (
            {"targets": [{"name": "ferplus", "votes": 0.3}]},
            "targets.ferplus.votes has no effect: it is for the target fer",
        ),
        (
            {"ensemble": {"method": "mean", "objective": "log_loss"}},
            "ensemble.objective has no effect: ensemble.method",
        ),
        ({"balancing": {"ratio": 0.5}}, "balancing.ratio has no effect: balancing.method none does not read it"),
        ({"balancing": {"method": "random_over_sampler", "neighbours": 3}}, "balancing.neighbours has no effect"),
        ({"balancing": {"method": "smote", "disgust_factor": 3}}, "balancing.disgust_factor has no effect"),
        ({"cleaning": {"pixels": False, "threshold": 0.3}}, "cleaning.threshold has no effect"),
        ({"cleaning": {"nf_votes": 8}}, "cleaning.nf_votes has no effect"),
        ({"cleaning": {"exclude": "m.csv", "splits": ["PublicTest"]}}, "cleaning.splits has no effect"),
        (
            {"targets": [MULTI_LABEL], "training": {"label_smoothing": 0.1}},
            "training.label_smoothing has no effect: train_on multi_target",
        ),
        (
            {"targets": [MULTI_LABEL], "backbones": [{**FERNET[0], "training": {"mixing": {"mixup": 0.2}}}]},
            "backbone fernet: training.mixing cannot work with targets.ferplus.train_on multi_target",
        ),
        (
            {"targets": [MULTI_LABEL], "backbones": [*FERNET, STUDENT]},
            "backbone s: teacher cannot work with targets.ferplus.train_on multi_target",
        ),
        ({"distillation": {"weight": 0.5}}, "distillation.weight has no effect: no backbone has a teacher"),
        ({"resources": {"teach": {"cpu_count": 1}}}, "resources.teach has no effect"),
        ({"registry": {"register": False, "singles": True}}, "registry.singles has no effect: registry.register is"),
        ({"registry": {"register": False, "promote": True}}, "registry.promote has no effect"),
        ({"registry": {"gate": {"change": {"margin": 0.1}}}}, "registry.gate.change.margin has no effect: require is"),
        (
            {"registry": {"gate": {"change": {"require": "not_worse", "least": 0.1}}}},
            "registry.gate.change.least has no effect",
        ),
    ],
)
def test_a_setting_without_effect_is_refused_in_a_line(tmp_path, change, message):
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump({**SMALLEST, **change}))
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"optimizer": "sgd", "momentum": 0.5}},
        # One of two reads it.
        {"backbones": [*PRETRAINED, *FERNET], "training": {"unfreeze": 0.5, "head": {"epochs": 2}}},
        {"backbones": [*FERNET, STUDENT], "distillation": {"weight": 0.5}},
        {"training": {"network": {"epochs": 1}}},
        {"ensemble": {"objective": "log_loss"}},
        # The head for fer reads it.
        {"targets": [{"name": "fer"}, MULTI_LABEL], "training": {"label_smoothing": 0.1}},
        {"targets": [{"name": "fer"}, MULTI_LABEL], "backbones": [*FERNET, {**STUDENT, "targets": ["fer"]}]},
    ],
)
def test_a_setting_with_an_effect_is_taken_and_written_out_with_every_default(change):
    config = RunConfig.model_validate({**SMALLEST, **change})
    assert RunConfig.model_validate(yaml.safe_load(config.to_yaml())) == config
