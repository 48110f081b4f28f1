"""Settings of networks and of their training, observed of layers, rates and optimizers, and once of whole trainings."""

from functools import cache

import numpy as np

from ferkit.backbones import BackboneSettings, build_network, set_trainable
from ferkit.backbones.weights import content_of
from ferkit.data.targets import TargetSettings
from ferkit.models.predictions import Predictions
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.training.augmentation import AugmentationSettings, build_augmentation
from ferkit.training.checkpoint import Progress
from ferkit.training.distillation import DistillationSettings, distil
from ferkit.training.epochs import Epochs
from ferkit.training.examples import SelectionExamples, join
from ferkit.training.execution import ExecutionSettings, check_execution, compile_arguments, precision_of
from ferkit.training.mixing import MixingSettings
from ferkit.training.settings import PhaseSettings, TrainingSettings
from tests.config.proofs.changes import different, outcome
from tests.config.proofs.sources import files
from tests.training.test_fine_tune import BACKBONE, marked_faces, train

# ruff: noqa: E501

EPOCHS = 4


def of_network(**settings):
    """What it is made of, and how it answers."""
    chosen = {"name": "fernet", "width": 4, **settings}
    network = build_network(BackboneSettings(**chosen), {"fer": 7}, seed=0)
    rates = [layer.rate for layer in network._flatten_layers() if type(layer).__name__ == "Dropout"]
    said = network.predict_on_batch(marked_faces().images[:4, ..., None])
    return [each.shape for each in network.weights], rates, np.asarray(said).tobytes()


def of_stages(**settings):
    network = build_network(BackboneSettings(name="fernet", width=4, **settings), {"fer": 7}, seed=0)
    return [each.shape for each in network.weights]


def of_weights(**settings):
    file = files() / "mine.h5"
    file.write_bytes(b"weights")
    chosen = {name: file if value == "file" else value for name, value in settings.items()}
    return content_of(BackboneSettings(name="fernet", **chosen))


def of_freedom(unfreeze="all", batch_norm="trainable"):
    network = build_network(BackboneSettings(name="fernet", width=4), {"fer": 7}, seed=0)
    set_trainable(network, unfreeze, batch_norm=batch_norm)
    return [each.path.rpartition("/")[2] for each in network.trainable_weights]


def of_augmentation(**settings):
    from keras import ops

    still = {"flip": 0, "rotation": 0, "shift": 0, "zoom": 0}
    layer = build_augmentation(AugmentationSettings(**{**still, **settings}), 1)
    return ops.convert_to_numpy(layer(marked_faces().images[:8, ..., None], training=True)).tobytes()


def of_mixing(**settings):
    from ferkit.training.mixing_layer import Mixing

    labels = np.eye(7, dtype=np.float32)[np.arange(8) % 7]
    pictures, (mixture,) = Mixing(MixingSettings(**settings), 5)(marked_faces().images[:8, ..., None], [labels])
    return np.asarray(pictures).tobytes(), np.asarray(mixture).tobytes()


def of_smoothing(label_smoothing=0.0):
    from ferkit.training.trainer import CrossEntropy

    labels = np.eye(7, dtype=np.float32)[:3]
    said = np.random.default_rng(0).dirichlet(np.ones(7), 3).astype(np.float32)
    return float(CrossEntropy(label_smoothing)(labels, said))


def of_execution(**settings):
    chosen = ExecutionSettings(**settings)
    card = BackboneSettings(name="fernet").card
    return precision_of(chosen, card), compile_arguments(chosen), outcome(check_execution, chosen, 64)


def of_distillation(**settings):
    training = oversample(marked_faces(), TargetSettings(), BalancingSettings(), 0)
    said = np.random.default_rng(0).dirichlet(np.ones(7), len(training.row)).astype(np.float32)
    teacher = Predictions("fer", "Training", training.row, said)
    return distil(training, teacher, DistillationSettings(**settings)).content_hash()


def of_plateau(**settings):
    phase, progress = PhaseSettings(schedule="plateau", **settings), Progress()
    for _ in range(12):
        progress.account(0.5, phase)
    return progress.rate_factor


@cache
def trained(monitor):
    # The most accurate epoch and that of the least loss are different ones, at least where this was written.
    return train(epochs=EPOCHS, learning_rate=0.01, batch_size=8, monitor=monitor)


def the_monitor_chooses_the_epoch():
    most_accurate, least_loss = trained("accuracy"), trained("loss")
    epochs = most_accurate.history["val_accuracy"].idxmax(), least_loss.history["val_loss"].idxmin()
    return (most_accurate.best_epoch, least_loss.best_epoch) == epochs


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


# By setting: a proof, or a test that sets it, in the file named.
EFFECTS = {
    "backbones.name": different(of_network, name="fernet_se"),
    "backbones.input_size": different(of_network, input_size=32),
    "backbones.weights": different(of_weights, weights="file"),
    "backbones.width": different(of_network, width=8),
    "backbones.depth": different(of_stages, depth=2),
    "backbones.stages": different(of_stages, {"depth": 2}, stages=(1, 2)),
    "backbones.hidden": different(of_network, hidden=(9,)),
    "backbones.dropout": different(of_network, dropout=0.9),
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
    "distillation.weight": different(of_distillation, weight=0.2),
    "distillation.temperature": different(of_distillation, temperature=3),
}  # fmt: skip
