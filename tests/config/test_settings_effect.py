"""Every setting changes something, or is refused: a table over the whole schema, to which a new setting must be added.

A setting is shown to change something right here where that takes no time, else by the test that the table names, which
has to be there and to set it.
"""

import ast
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
from ferkit.training.examples import Validation, join
from ferkit.training.settings import PhaseSettings, TrainingSettings
from tests.config.test_run_config import SMALLEST
from tests.promotion.test_gate import answers_of, gate, trial
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


def of_balancing(**settings):
    settings = {"method": "random_over_sampler", **settings}
    return oversample(drawn(), TargetSettings(), BalancingSettings(**settings), 0).content_hash()


def of_targets(**settings):
    target = TargetSettings(**{"name": "ferplus", **settings})
    balanced = oversample(drawn(), target, BalancingSettings(), 0)
    return balanced.content_hash(), len(labelled(drawn(), target.name, target.protocol)[0])


def of_plateau(**settings):
    phase, progress = PhaseSettings(schedule="plateau", **settings), Progress()
    for _ in range(12):
        progress.account(0.5, phase)
    return progress.rate_factor


def of_views(**settings):
    return [view.tobytes() for view in TestTimeAugmentation(**settings).of(drawn().images[:2])]


def of_evaluation(**settings):
    generator = np.random.default_rng(0)
    said = generator.dirichlet(np.ones(7), 60).astype(np.float32)
    right = np.eye(7, dtype=np.float32)[generator.integers(0, 7, 60)]
    return score(said, right, EvaluationSettings(**{"bootstrap": 200, **settings}), seed=0).to_dict()


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
    validation = Validation.of(faces.of_split("PublicTest"), [TargetSettings()])
    training = TrainingSettings(**settings)
    epochs = Epochs(build_network(BACKBONE, {"fer": 7}, seed=0), examples, validation, training, 0, "toy")
    epochs.compile(training)
    optimizer = epochs._trainer.optimizer
    numbers = {name: getattr(optimizer, name, None) for name in ("weight_decay", "momentum", "ema_momentum")}
    return type(optimizer).__name__, numbers, epochs._steps


def of_gate(**change):
    labels = np.random.default_rng(0).integers(0, 7, 600).astype(np.int8)
    champion, challenger = (trial("m", labels, answers_of(labels, share, 0)) for share in (0.7, 0.72))
    checks = judge(challenger, champion, gate(**change), 0).checks
    return [each.reason for each in checks]


def seed_of(**entry):
    config = RunConfig.model_validate({**SMALLEST, "seed": 2, "backbones": [{"name": "fernet", **entry}]})
    return config.seed_of(config.trained()[0])


def different(observe, **change):
    """A proof: what is observed is another thing once the setting is changed."""
    return lambda: observe(**change) != observe()


# By setting: a proof, or a test that sets it, in the file named.
# ruff: noqa: E501
EFFECTS = {
    "name": "pipelines/test_train::test_a_run_executes_every_step_and_prints_every_model",
    "experiment": "pipelines/test_train::test_mlflow_has_one_parent_and_a_child_a_network",
    "seed": "standalone/test_run::test_seeds_are_runs_of_their_own_and_one_table",
    "data.fer2013.path": "sources/test_fer2013::test_a_file_its_folder_or_the_folder_above_may_be_named",
    "data.fer2013.ferplus": "sources/test_fer2013::test_votes_can_be_left_out",
    "data.folder.path": "sources/test_folders::test_pictures_keep_their_pixels_labels_and_places",
    "data.folder.validation_fraction": "sources/test_folders::test_without_public_test_a_part_of_each_emotion_takes_its_place",
    "data.folder.seed": "sources/test_folders::test_the_part_depends_on_the_seed_alone",
    "data.folder.subject": "sources/test_folders::test_a_person_is_on_one_side",
    "data.folder.maximum_damaged": "sources/test_folders::test_more_damaged_pictures_than_allowed",
    "data.folder.stream": "sources/test_shards::test_a_streamed_folder_is_the_same_pictures",
    "data.folder.side": "sources/test_shards::test_larger_pictures_keep_their_side_and_colour",
    "data.folder.colour": "sources/test_shards::test_larger_pictures_keep_their_side_and_colour",
    "data.shards.maximum_damaged": "sources/test_shards::test_a_damaged_picture_of_a_shard_is_put_aside_with_its_reason",
    "data.shards.path": "sources/test_shards::test_larger_pictures_keep_their_side_and_colour",
    "data.shards.side": "sources/test_shards::test_larger_pictures_keep_their_side_and_colour",
    "data.shards.colour": "sources/test_shards::test_larger_pictures_keep_their_side_and_colour",
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
    "cleaning.nf_votes": "preparation/test_cleaning::test_votes_are_counted_when_asked",
    "cleaning.splits": different(of_cleaning, splits=("Training", "PublicTest")),
    "cleaning.exclude": "preparation/test_cleaning::test_a_person_overrules_the_finder_by_editing_the_manifest",
    "balancing.method": different(of_balancing, method="none"),
    "balancing.class_weight": different(of_balancing, class_weight=True),
    "balancing.ratio": different(of_balancing, ratio=0.5),
    "balancing.neighbours": "preparation/test_balancing::test_a_class_smaller_than_its_neighbours_says_so",
    "balancing.disgust_factor": "preparation/test_balancing::test_augment_disgust_varies_disgusted_faces_only",
    "targets.name": lambda: of_targets() != of_targets(name="fer"),
    "targets.train_on": different(of_targets, train_on="majority"),
    "targets.protocol": different(of_targets, protocol="argmax"),
    "backbones.name": "backbones/test_backbones::test_parameters_of_the_study",
    "backbones.alias": "config/test_run_config::test_overrides_reach_every_depth",
    "backbones.input_size": "backbones/test_backbones::test_preprocessing_resizes_first",
    "backbones.weights": "backbones/test_backbones::test_published_layout",
    "backbones.width": "backbones/test_backbones::test_settings_refuse",
    "backbones.depth": "backbones/test_dlib_resnet::test_a_part_of_the_stages_has_the_same_weights",
    "backbones.stages": "backbones/test_dlib_resnet::test_a_part_of_the_stages_has_the_same_weights",
    "backbones.hidden": "backbones/test_backbones::test_head_is_a_setting",
    "backbones.dropout": "backbones/test_backbones::test_head_is_a_setting",
    "backbones.training": "config/test_run_config::test_a_backbone_overrides_part_of_the_training",
    "backbones.targets": "config/test_run_config::test_every_target_and_backbone_is_trained_unless_a_backbone_names_its_targets",
    "backbones.seed": lambda: seed_of(seed=3) != seed_of(),
    "backbones.joint": "config/test_run_config::test_a_joint_backbone_is_trained_once_and_students_come_last",
    "backbones.teacher": "config/test_run_config::test_a_joint_backbone_is_trained_once_and_students_come_last",
    "training.epochs": "training/test_fine_tune::test_a_phase_ends_after_patience_epochs_without_improvement",
    "training.learning_rate": different(of_rate, learning_rate=0.5),
    "training.schedule": "training/test_learning_rate::test_warm_up_rises_and_the_cosine_falls_and_no_step_has_a_rate_of_zero",
    "training.warmup_epochs": "training/test_learning_rate::test_warm_up_rises_and_the_cosine_falls_and_no_step_has_a_rate_of_zero",
    "training.plateau_factor": different(of_plateau, plateau_factor=0.25),
    "training.plateau_patience": different(of_plateau, plateau_patience=3),
    "training.head.epochs": "training/test_fine_tune::test_the_head_learns_alone_first_where_the_backbone_is_pretrained",
    "training.head.learning_rate": different(of_rate, learning_rate=0.5),
    "training.head.schedule": "training/test_learning_rate::test_warm_up_rises_and_the_cosine_falls_and_no_step_has_a_rate_of_zero",
    "training.head.warmup_epochs": "training/test_learning_rate::test_warm_up_rises_and_the_cosine_falls_and_no_step_has_a_rate_of_zero",
    "training.head.plateau_factor": different(of_plateau, plateau_factor=0.25),
    "training.head.plateau_patience": different(of_plateau, plateau_patience=3),
    "training.unfreeze": "backbones/test_backbones::test_unfreeze_refuses",
    "training.batch_norm": "backbones/test_backbones::test_how_much_learns",
    "training.batch_size": different(of_optimizer, batch_size=7),
    "training.optimizer": different(of_optimizer, optimizer="adam"),
    "training.momentum": lambda: of_optimizer(optimizer="sgd", momentum=0.5) != of_optimizer(optimizer="sgd"),
    "training.weight_decay": different(of_optimizer, weight_decay=0.3),
    "training.label_smoothing": "training/test_recipe::test_the_loss_is_keras_own_with_smoothing_and_weights",
    "training.monitor": "config/test_settings_effect::test_the_monitor_chooses_the_epoch",
    "training.patience": "training/test_fine_tune::test_a_phase_ends_after_patience_epochs_without_improvement",
    "training.augmentation.flip": "training/test_augmentation::test_flip",
    "training.augmentation.rotation": "training/test_augmentation::test_rotation_and_zoom_stay_within_their_limits",
    "training.augmentation.shift": "training/test_augmentation::test_shift_stays_within_its_limit_on_both_axes",
    "training.augmentation.zoom": "training/test_augmentation::test_rotation_and_zoom_stay_within_their_limits",
    "training.augmentation.contrast": "training/test_augmentation::test_contrast_and_brightness",
    "training.augmentation.brightness": "training/test_augmentation::test_contrast_and_brightness",
    "training.augmentation.erasing": "training/test_augmentation::test_erasing_fills_one_rectangle",
    "training.augmentation.erasing_area": "training/test_augmentation::test_erasing_fills_one_rectangle",
    "training.mixing.mixup": "training/test_recipe::test_mixup_gives_the_label_the_share_that_the_picture_has",
    "training.mixing.cutmix": "training/test_recipe::test_cutmix_gives_the_label_the_share_of_the_area",
    "training.mixing.probability": "training/test_recipe::test_a_picture_is_mixed_with_the_probability_that_was_asked_for",
    "training.average": "training/test_recipe::test_the_average_changes_what_is_judged_and_not_what_learns",
    "training.execution.precision": "training/test_execution::test_a_network_trained_in_bfloat16_predicts_in_float32",
    "training.execution.compile": "training/test_execution::test_xla_learns_the_same",
    "training.execution.steps_per_execution": "training/test_streaming::test_a_streamed_training_is_that_in_memory",
    "training.execution.devices": "training/test_execution::test_more_devices_than_there_are_is_a_line",
    "selection.duplicates": "models/test_selection::test_pictures_that_another_split_has_are_left_out_by_default",
    "distillation.weight": "training/test_recipe::test_a_student_learns_the_teachers_opinion",
    "distillation.temperature": "training/test_recipe::test_a_student_learns_the_teachers_opinion",
    "ensemble.method": "models/test_ensemble::test_never_worse_than_the_mean_or_than_the_best_member_on_public_test",
    "ensemble.members": "models/test_ensemble::test_members_name_a_subset_in_any_order",
    "ensemble.objective": "models/test_ensemble::test_weights_favour_the_planted_good_member_and_ignore_noise",
    "prediction.flip": different(of_views, flip=True),
    "prediction.crops": different(of_views, crops="five"),
    "evaluation.bootstrap": different(of_evaluation, bootstrap=300),
    "evaluation.confidence": different(of_evaluation, confidence=0.8),
    "evaluation.ece_bins": different(of_evaluation, ece_bins=3),
    "evaluation.grid": "reporting/test_plots::test_grids_show_right_and_wrong_predictions_evenly_over_the_labels",
    "registry.register": "pipelines/test_train::test_the_ensemble_is_registered_with_its_lineage",
    "registry.singles": "registry/test_register::test_a_run_registers_its_ensemble_and_if_asked_its_networks",
    "registry.promote": "pipelines/test_train::test_the_gate_is_asked_at_the_end_of_a_run_if_the_configuration_says_so",
    "registry.gate.floors.accuracy": "promotion/test_gate::test_each_floor_refuses_alone_and_says_why",
    "registry.gate.floors.macro_f1": "promotion/test_gate::test_each_floor_refuses_alone_and_says_why",
    "registry.gate.floors.recall": "promotion/test_gate::test_each_floor_refuses_alone_and_says_why",
    "registry.gate.floors.recall_pictures": "promotion/test_gate::test_a_class_of_few_pictures_is_not_held_to_the_recall_floor",
    "registry.gate.floors.expected_calibration_error": "promotion/test_gate::test_each_floor_refuses_alone_and_says_why",
    "registry.gate.floors.latency_ms": "promotion/test_gate::test_each_floor_refuses_alone_and_says_why",
    "registry.gate.change.target": "promotion/test_gate::test_a_second_target_may_not_suffer_nor_get_lost",
    "registry.gate.change.metric": "promotion/test_gate::test_a_better_model_is_let_through_and_a_worse_one_is_refused_for_each_reason",
    "registry.gate.change.require": "promotion/test_gate::test_not_worse_lets_an_equal_model_through_and_no_worse_one",
    "registry.gate.change.least": "promotion/test_gate::test_a_better_model_is_let_through_and_a_worse_one_is_refused_for_each_reason",
    "registry.gate.change.margin": "promotion/test_gate::test_not_worse_lets_an_equal_model_through_and_no_worse_one",
    "registry.gate.change.alpha": different(of_gate, alpha=0.49),
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


@pytest.mark.parametrize("monitor", ["accuracy", "loss"])
def test_the_monitor_chooses_the_epoch(monitor):
    trained = train(epochs=4, learning_rate=0.03, batch_size=8, monitor=monitor)
    column = trained.history[f"val_{monitor}"]
    assert trained.best_epoch == (column.idxmax() if monitor == "accuracy" else column.idxmin())


STUDENT = {"name": "fernet", "alias": "s", "teacher": "ensemble"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"training": {"momentum": 0.5}}, "training.momentum has no effect: optimizer adamw has none"),
        ({"training": {"unfreeze": 0.5}}, "training.unfreeze has no effect: a network with random weights"),
        ({"training": {"head": {"epochs": 5}}}, "training.head.epochs has no effect: a network with random weights"),
        ({"training": {"plateau_patience": 2}}, "training.plateau_patience has no effect: training.schedule is cosine"),
        ({"training": {"mixing": {"probability": 0.5}}}, "training.mixing.probability has no effect"),
        ({"training": {"augmentation": {"erasing_area": 0.5}}}, "training.augmentation.erasing_area has no effect"),
        (
            {"training": {"epochs": 3, "warmup_epochs": 3}},
            "training.warmup_epochs 3 leaves schedule cosine nothing of 3",
        ),
        (
            {"backbones": PRETRAINED, "training": {"epochs": 0, "learning_rate": 0.5}},
            "training.learning_rate has no effect: training.epochs is 0",
        ),
        (
            {"backbones": PRETRAINED, "training": {"head": {"epochs": 0, "learning_rate": 0.5}}},
            "training.head.learning_rate has no effect: training.head.epochs is 0",
        ),
        (
            {"backbones": [*PRETRAINED, {"name": "fernet", "training": {"unfreeze": "none"}}]},
            "backbones.fernet.training.unfreeze has no effect",
        ),
        ({"targets": [{"name": "fer", "train_on": "majority"}]}, "targets.fer.train_on has no effect: fer has one"),
        ({"targets": [{"name": "fer", "protocol": "argmax"}]}, "targets.fer.protocol has no effect"),
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
def test_a_setting_without_effect_is_refused_in_a_line(tmp_path, change, said):
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump({**SMALLEST, **change}))
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"optimizer": "sgd", "momentum": 0.5}},
        # One of two reads it.
        {"backbones": [*PRETRAINED, *FERNET], "training": {"unfreeze": 0.5, "head": {"epochs": 2}}},
        {"backbones": [*FERNET, STUDENT], "distillation": {"weight": 0.5}},
        {"training": {"epochs": 1}},
        {"ensemble": {"objective": "log_loss"}},
    ],
)
def test_a_setting_with_an_effect_is_taken_and_written_out_with_every_default(change):
    config = RunConfig.model_validate({**SMALLEST, **change})
    assert RunConfig.model_validate(yaml.safe_load(config.to_yaml())) == config
