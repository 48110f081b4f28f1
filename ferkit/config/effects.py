"""Settings that would change nothing, or cannot work, where they stand: a run configuration that has one is refused.

A value that is the default is never held against anybody: configurations are written out with every default.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ferkit.data.labels import DECLARED_TARGETS

if TYPE_CHECKING:
    from ferkit.training.settings import PhaseSettings, TrainingSettings

__all__ = ["settings_without_effect"]


def settings_without_effect(config: Any) -> list[str]:
    """One line for each setting that differs from its default and that nothing in this run reads or can follow.

    Parameters
    ----------
    config
        A `RunConfig`, which calls this when everything else about it is valid.
    """
    rooms = (_of_data, _of_training, _of_multi_label, _of_vote, _of_registry)
    return [line for room in rooms for line in room(config)]


def _changed(settings: BaseModel, *names: str) -> list[str]:
    """Those of `names`, or of all settings, that differ from their defaults."""
    fields = type(settings).model_fields
    return [
        fields[name].alias or name
        for name in names or fields
        if getattr(settings, name) != fields[name].get_default(call_default_factory=True)
    ]


def _without_effect(section: str, names: list[str], why: str) -> Iterator[str]:
    for name in names:
        yield f"{section}.{name} has no effect: {why}"


def _of_data(config: Any) -> Iterator[str]:
    cleaning, balancing = config.cleaning, config.balancing
    if not cleaning.pixels:
        yield from _without_effect(
            "cleaning", _changed(cleaning, "threshold"), "cleaning.pixels is false; leave it out."
        )
    if not cleaning.ferplus_votes:
        yield from _without_effect("cleaning", _changed(cleaning, "nf_votes"), "it needs cleaning.ferplus_votes: true.")
    if cleaning.exclude is not None:
        why = "the manifest of cleaning.exclude says which pictures are dropped; leave one of the two out."
        yield from _without_effect("cleaning", _changed(cleaning, "splits"), why)
    method = balancing.method
    read_by = {
        "ratio": ("random_over_sampler", "weighted_sampling", "smote", "adasyn"),
        "neighbours": ("smote", "adasyn"),
        "disgust_factor": ("augment_disgust",),
    }
    for name, methods in read_by.items():
        if method not in methods:
            why = f"balancing.method {method} does not read it, {', '.join(methods)} would."
            yield from _without_effect("balancing", _changed(balancing, name), why)
    for target in config.targets:
        if target.name not in DECLARED_TARGETS or not DECLARED_TARGETS[target.name].from_votes:
            why = f"{target.name} has one label a picture; it is for the target ferplus."
            yield from _without_effect(f"targets.{target.name}", _changed(target, "train_on", "protocol"), why)
        if target.name != "fer":
            why = "it is for the target fer, whose labels FER+'s votes can smooth."
            yield from _without_effect(f"targets.{target.name}", _changed(target, "votes"), why)


def _of_training(config: Any) -> Iterator[str]:
    # What all share may be for one of them; what a backbone sets for itself has to be for itself.
    useless = [dict(_useless(config, entry)) for entry in config.backbones]
    default = dict(_flat(type(config.training)().model_dump()))
    shared = dict(_flat(config.training.model_dump()))
    for name, why in useless[0].items():
        if all(name in each for each in useless) and shared[name] != default[name]:
            yield f"training.{name} has no effect: {why}"
    for entry, own in zip(config.backbones, useless, strict=True):
        chosen = dict(_flat(entry.training))
        for name, why in own.items():
            if name in chosen and chosen[name] != shared[name]:
                yield f"backbones.{entry.label}.training.{name} has no effect: {why}"
        yield from _endless_warm_up(entry.label, config.training_of(entry), entry.starts_trained)


def _useless(config: Any, entry: Any) -> Iterator[tuple[str, str]]:
    """Dotted names of the training settings that no training of `entry` reads, and why."""
    training = config.training_of(entry)
    if all(target.multi_label for target in config.targets_of(entry)):
        yield "label_smoothing", "train_on multi_target asks which emotions are right and smooths none of them."
    if training.optimizer != "sgd":
        yield "momentum", f"optimizer {training.optimizer} has none, sgd does."
    if not training.mixing.mixup and not training.mixing.cutmix:
        yield "mixing.probability", "it needs mixing.mixup or mixing.cutmix."
    if not training.augmentation.erasing:
        yield "augmentation.erasing_area", "augmentation.erasing is 0."
    yield from _useless_in_phase(training.network, "network.")
    if entry.starts_trained:
        yield from _useless_in_phase(training.head, "head.")
        yield from _useless_beside_head(training)
        return
    scratch = "a network with random weights is trained whole, in one phase."
    yield "unfreeze", scratch
    yield from ((f"head.{name}", scratch) for name in type(training.head).model_fields)
    yield "network.layer_decay", "a network with random weights has nothing that must not be lost."


def _useless_beside_head(training: "TrainingSettings") -> Iterator[tuple[str, str]]:
    """What is not read because a head learns alone, or because nothing changes its pictures."""
    if not training.augmentation.on and not training.mixing.on:
        yield "head.augment", "augmentation and mixing change nothing."
    if training.unfreeze in ("none", 0):
        yield "network.layer_decay", f"unfreeze is {training.unfreeze}, so that the head learns alone."
    if training.network.epochs:
        return
    alone = "training.network.epochs is 0, so that the head learns alone"
    yield from ((name, f"{alone}.") for name in ("unfreeze", "batch_norm"))
    if not training.head.augment:
        for section in ("augmentation", "mixing"):
            for name in type(getattr(training, section)).model_fields:
                yield f"{section}.{name}", f"{alone}, and training.head.augment is false."


def _of_multi_label(config: Any) -> Iterator[str]:
    """What changes labels that only say which emotions are right."""
    for entry in config.backbones:
        for target in config.targets_of(entry):
            where = f"targets.{target.name}.train_on multi_target"
            if target.multi_label and config.training_of(entry).mixing.on:
                yield (
                    f"backbone {entry.label}: training.mixing cannot work with {where}, which takes all emotions of "
                    "either picture for equally right; drop mixing or use train_on: probability."
                )
            if target.multi_label and entry.teacher:
                yield (
                    f"backbone {entry.label}: teacher cannot work with {where}, which takes every emotion that a "
                    "teacher gives any probability for equally right; drop the teacher or use train_on: probability."
                )


def _useless_in_phase(phase: "PhaseSettings", prefix: str) -> Iterator[tuple[str, str]]:
    of_plateau = [f"{prefix}plateau_factor", f"{prefix}plateau_patience"]
    if not phase.epochs:
        others = [f"{prefix}{name}" for name in type(phase).model_fields if name != "epochs"]
        yield from ((name, f"training.{prefix}epochs is 0.") for name in others)
    elif phase.schedule != "plateau":
        yield from ((name, f"training.{prefix}schedule is {phase.schedule}, not plateau.") for name in of_plateau)


def _endless_warm_up(label: str, training: "TrainingSettings", starts_trained: bool) -> Iterator[str]:
    """Phases in which the rate would rise to their end, so that their schedule never begins."""
    phases = [("network", training.network), *([("head", training.head)] if starts_trained else [])]
    for name, phase in phases:
        # One epoch that warms up is what the defaults make of a single epoch.
        if phase.warmup_epochs >= phase.epochs > 0 and _changed(phase, "warmup_epochs"):
            yield (
                f"backbone {label}: training.{name}.warmup_epochs {phase.warmup_epochs:g} leaves schedule "
                f"{phase.schedule} nothing of {phase.epochs} epochs; make it less."
            )


def _of_vote(config: Any) -> Iterator[str]:
    if config.ensemble.method == "mean":
        why = "ensemble.method mean weighs all members the same, weighted reads it."
        yield from _without_effect("ensemble", _changed(config.ensemble, "objective"), why)
    if not any(entry.teacher for entry in config.backbones):
        why = "no backbone has a teacher; give one teacher: ensemble, or a file."
        yield from _without_effect("distillation", _changed(config.distillation), why)
        yield from _without_effect("resources", _changed(config.resources, "teach", "distil"), why)


def _of_registry(config: Any) -> Iterator[str]:
    registry, change = config.registry, config.registry.gate.change
    if registry.register_ and config.data.folds:
        yield (
            "registry.register: data.split makes a run of each fold, which judge a recipe and leave no model to be "
            "used; set registry.register to false."
        )
    if registry.register_ and not config.evaluation.private_test:
        yield (
            "evaluation.private_test false: a registered model carries its numbers on PrivateTest; set "
            "registry.register to false, too."
        )
    if not registry.register_:
        why = "registry.register is false, so that no model gets there."
        yield from _without_effect("registry", _changed(registry, "singles", "promote", "gate"), why)
        yield from _without_effect("resources", _changed(config.resources, "register_"), why)
    if not registry.promote:
        why = "registry.promote is false, so that the run has no such step."
        yield from _without_effect("resources", _changed(config.resources, "promote"), why)
    if change.require != "better":
        why = f"require is {change.require}, better reads it."
        yield from _without_effect("registry.gate.change", _changed(change, "least"), why)
    if change.require != "not_worse":
        why = f"require is {change.require}, not_worse reads it."
        yield from _without_effect("registry.gate.change", _changed(change, "margin"), why)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
