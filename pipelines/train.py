"""The pipeline: which step feeds which."""

from collections.abc import Sequence
from typing import Any

from zenml import pipeline
from zenml.config import ResourceSettings

from ferkit.config.named_files import NamedFiles
from ferkit.config.run_config import ResourceRequest, RunConfig, Training
from ferkit.data.targets import TargetSettings
from ferkit.promotion.settings import RegistrySettings
from ferkit.registry.client import registry_key
from ferkit.standalone.import_member import MemberImport
from steps.drop_non_faces import drop_non_faces
from steps.ensemble import ensemble
from steps.evaluate import evaluate, evaluate_ensemble
from steps.fine_tune import fine_tune
from steps.import_member import import_member
from steps.ingest import ingest
from steps.oversample import oversample
from steps.predict_public import predict_public
from steps.register import promote, register
from steps.report import report
from steps.teach import distil, read_teacher, teach
from steps.validate import validate
from steps.whole_config import as_extra

__all__ = ["train"]


@pipeline(dynamic=False)
def train(config: RunConfig, files: NamedFiles, adoption: MemberImport | None = None) -> None:
    """Data to judged models; `files` stands for what the files hold that `config` names.

    With `adoption` the networks are read from a run folder in place of being trained.
    """
    need = config.resources
    ingested = _with(ingest, need.ingest)(settings=config.data, fingerprint=files.data)
    validated, expectations, quarantined, _docs = _with(validate, need.validate_)(
        faces=ingested, settings=config.validation
    )
    faces, manifest = _with(drop_non_faces, need.drop_non_faces)(
        faces=validated, settings=config.cleaning, exclude_hash=files.exclude
    )
    balanced = {
        target.name: _with(oversample, need.oversample, target=target.name)(
            faces=faces, target=target, settings=config.balancing, seed=config.seed, id=f"oversample_{target.name}"
        )
        for target in config.targets
    }
    networks: dict[str, dict[str, Any]] = {name: {} for name in balanced}
    models, histories, ensembles, lessons, evaluations = [], [], [], dict(balanced), {}
    for training in config.trained():
        if not training.entry.is_student:
            learned = balanced if adoption else _taught_by_file(config, training, balanced, files)
            network, history = _network(config, training, faces, learned, files, adoption)
            models.append(network)
            histories.append(history)
            networks |= {name: {**networks[name], training.label: network} for name in training.names}
    for target in config.targets:
        votes, judged = _members(config, target, networks[target.name], faces, ingested)
        ensembles.append(votes)
        evaluations[target.name] = judged
        if config.students(target.name) and not adoption:
            lessons[target.name] = _lesson(config, target, networks[target.name], votes, balanced[target.name])
    for training in config.trained():
        if training.entry.is_student:
            network, history = _network(config, training, faces, lessons, files, adoption)
            models.append(network)
            histories.append(history)
            for target in training.targets:
                _, judgement = _judge(config, target, training.label, network, faces, ingested)
                evaluations[target.name].append(judgement)
    everything = [each for of_target in evaluations.values() for each in of_target]
    if config.registry.register_:
        singles = RegistrySettings(singles=config.registry.singles)
        registered = _with(register.with_options(extra=as_extra(config)), need.register_)(
            config=config.unnamed().model_copy(update={"registry": singles}),
            models=models,
            ensembles=ensembles,
            evaluations=everything,
            faces=faces,
            ingested=ingested,
            registry=registry_key(),
        )
        if config.registry.promote:
            _with(promote, need.promote)(
                registered=registered,
                ingested=ingested,
                gate=config.registry.gate,
                evaluation=config.evaluation,
                selection=config.selection,
                seed=config.seed,
            )
    _with(report.with_options(extra=as_extra(config)), need.report)(
        config=config.unnamed(),
        ingested=ingested,
        validated=validated,
        cleaned=faces,
        expectations=expectations,
        quarantined=quarantined,
        manifest=manifest,
        training_sets=list(balanced.values()),
        histories=histories,
        ensembles=ensembles,
        evaluations=everything,
    )


def _network(
    config: RunConfig,
    training: Training,
    faces: Any,
    training_sets: dict[Any, Any],
    files: NamedFiles,
    adoption: MemberImport | None,
) -> Any:
    """Network and history of one training, made here or adopted."""
    member = _member(training.names, training.label)
    inputs = {
        "faces": faces,
        "training_sets": [training_sets[name] for name in training.names],
        "targets": list(training.targets),
        "backbone": training.entry.backbone,
        "settings": config.training_of(training.entry),
        "seed": config.seed_of(training),
        "selection": config.selection,
    }
    if adoption:
        place = adoption.place(training.name)
        return _with(import_member, config.resources.ingest, member=member)(**inputs, **place, id=f"adopt_{member}")
    need = training.entry.resources or config.resources.fine_tune
    weights_hash = files.weights[training.label]
    return _with(fine_tune, need, member=member)(**inputs, weights_hash=weights_hash, id=f"fine_tune_{member}")


def _judge(config: RunConfig, target: TargetSettings, label: str, network: Any, faces: Any, ingested: Any) -> Any:
    """What a network says about PublicTest, and its evaluation."""
    member = _member([target.name], label)
    asked = {"model": network, "faces": faces, "target": target, "tta": config.prediction}
    validation = _with(predict_public, config.resources.predict_public, member=member)(
        **asked, id=f"predict_public_{member}"
    )
    evaluation = _with(evaluate, config.resources.evaluate, member=member)(
        **asked,
        validation=validation,
        ingested=ingested,
        settings=config.evaluation,
        seed=config.seed,
        id=f"evaluate_{member}",
    )
    return validation, evaluation


def _members(
    config: RunConfig, target: TargetSettings, networks: dict[str, Any], faces: Any, ingested: Any
) -> tuple[Any, list[Any]]:
    """The ensemble of a target, and the evaluations of its members and of itself."""
    both = {
        entry.label: _judge(config, target, entry.label, networks[entry.label], faces, ingested)
        for entry in config.members(target.name)
    }
    judged = [evaluation for _, evaluation in both.values()]
    votes = _with(ensemble, config.resources.ensemble, target=target.name)(
        validations=[validation for validation, _ in both.values()],
        names=list(both),
        faces=faces,
        target=target,
        selection=config.selection,
        settings=config.ensemble,
        id=f"ensemble_{target.name}",
    )
    member = _member([target.name], "ensemble")
    together = _with(evaluate_ensemble, config.resources.evaluate, member=member)(
        members=judged,
        ensemble=votes,
        ingested=ingested,
        target=target,
        settings=config.evaluation,
        seed=config.seed,
        id=f"evaluate_{member}",
    )
    return votes, [*judged, together]


def _lesson(config: RunConfig, target: TargetSettings, networks: dict[str, Any], votes: Any, training_set: Any) -> Any:
    """The training set of a target's students."""
    said = _with(teach, config.resources.teach, target=target.name)(
        models=[networks[label] for label in config.ensemble.members or networks],
        ensemble=votes,
        training_set=training_set,
        tta=config.prediction,
        id=f"teach_{target.name}",
    )
    return _with(distil, config.resources.distil, member=target.name)(
        training_set=training_set, teacher=said, settings=config.distillation, id=f"distil_{target.name}"
    )


def _taught_by_file(
    config: RunConfig, training: Training, training_sets: dict[Any, Any], files: NamedFiles
) -> dict[Any, Any]:
    """The training sets by target; those of a network whose teacher's answers are stored hold them."""
    taught = dict(training_sets)
    for target in training.targets if training.entry.teacher_file else ():
        member = _member([target.name], training.label)
        teacher = _with(read_teacher, config.resources.teach, member=member)(
            file=str(training.entry.teacher_file),
            file_hash=files.teachers[training.label],
            target=target,
            training_set=training_sets[target.name],
            id=f"read_teacher_{member}",
        )
        taught[target.name] = _with(distil, config.resources.distil, member=member)(
            training_set=training_sets[target.name],
            teacher=teacher,
            settings=config.distillation,
            id=f"distil_{member}",
        )
    return taught


def _member(targets: Sequence[str], label: str) -> str:
    """How steps and artifacts of a network are called, in characters that names of files and jobs may have."""
    return "_".join((*targets, label))


def _with(step: Any, need: ResourceRequest, **names: str) -> Any:
    """`step` with the resources it asks for, and with its artifacts named after target or member."""
    asked = need.model_dump(exclude_none=True)
    return step.with_options(settings={"resources": ResourceSettings(**asked)} if asked else None, substitutions=names)
