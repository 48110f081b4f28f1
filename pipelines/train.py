"""The pipeline: which step feeds which; who is trained, votes, teaches and is judged, `RunPlan` says."""

from collections.abc import Mapping, Sequence
from typing import Any

from zenml import pipeline

from ferkit.config.named_files import NamedFiles
from ferkit.config.resources import ResourceRequest
from ferkit.config.run_config import RunConfig, Training
from ferkit.config.run_plan import ENSEMBLE, RunPlan, TargetPlan
from ferkit.promotion.settings import RegistrySettings
from ferkit.registry.client import registry_key
from ferkit.stacks.placement import resource_settings
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
from steps.teach import distil, predict_training, read_teacher, teach
from steps.validate import validate

__all__ = ["train"]

# What steps make, by name of the target or of the training.
_Artifacts = Mapping[Any, Any]


@pipeline(dynamic=False)
def train(config: RunConfig, files: NamedFiles, imported: MemberImport | None = None) -> None:
    """Data to judged models; `files` stands for what the files hold that `config` names.

    With `imported` the networks are read from a run folder in place of being trained.
    """
    need, plan = config.resources, RunPlan.of(config)
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
    networks, histories, public = {}, [], {}

    def add(training: Training, training_sets: _Artifacts) -> None:
        network, history = _network(config, training, faces, training_sets, files, imported)
        networks[training.name] = network
        histories.append(history)
        public[training.name] = _predict(config, training, network, faces)

    for training in plan.members:
        add(training, balanced if imported else _taught_by_file(config, training, balanced, files))
    ensembles = {each.target.name: _ensemble(config, each, public, faces) for each in plan.targets}
    distilled = {} if imported else _taught_by_ensembles(config, plan, networks, ensembles, faces, balanced)
    for training in plan.students:
        add(training, {**balanced, **distilled})
    evaluations = _evaluations(config, plan, networks, public, ensembles, faces, ingested)
    if config.registry.register_:
        singles = RegistrySettings(singles=config.registry.singles)
        versions = _with(register, need.register_)(
            config=config.unnamed().model_copy(update={"registry": singles}),
            models=list(networks.values()),
            ensembles=list(ensembles.values()),
            evaluations=evaluations,
            faces=faces,
            ingested=ingested,
            registry=registry_key(),
        )
        if config.registry.promote:
            _with(promote, need.promote)(
                versions=versions,
                ingested=ingested,
                gate=config.registry.gate,
                evaluation=config.evaluation,
                selection=config.selection,
                seed=config.seed,
            )
    _with(report, need.report)(
        config=config.unnamed(),
        ingested=ingested,
        validated=validated,
        cleaned=faces,
        expectations=expectations,
        quarantined=quarantined,
        manifest=manifest,
        training_sets=list(balanced.values()),
        histories=histories,
        ensembles=list(ensembles.values()),
        evaluations=evaluations,
    )


def _network(
    config: RunConfig,
    training: Training,
    faces: Any,
    training_sets: _Artifacts,
    files: NamedFiles,
    imported: MemberImport | None,
) -> Any:
    """Network and history of one training, made here or imported."""
    member = training.member
    inputs = {
        "faces": faces,
        "training_sets": [training_sets[name] for name in training.names],
        "targets": list(training.targets),
        "backbone": training.entry.backbone,
        "settings": config.training_of(training.entry),
        "seed": config.seed_of(training),
        "selection": config.selection,
    }
    if imported:
        place = imported.place(training.name)
        return _with(import_member, config.resources.ingest, member=member)(**inputs, **place, id=f"import_{member}")
    weights_hash = files.weights[training.label]
    return _with(fine_tune, config.resources_of(training), member=member)(
        **inputs, weights_hash=weights_hash, id=training.step
    )


def _predict(config: RunConfig, training: Training, network: Any, faces: Any) -> Any:
    """The predictions of every head of a network for PublicTest."""
    member = training.member
    return _with(predict_public, config.resources.predict_public, member=member)(
        model=network,
        faces=faces,
        targets=list(training.targets),
        tta=config.prediction,
        id=f"predict_public_{member}",
    )


def _ensemble(config: RunConfig, plan: TargetPlan, public: _Artifacts, faces: Any) -> Any:
    """How the voters of a target vote."""
    return _with(ensemble, config.resources.ensemble, target=plan.target.name)(
        public=[public[each.name] for each in plan.voters],
        names=[each.label for each in plan.voters],
        faces=faces,
        target=plan.target,
        selection=config.selection,
        settings=config.ensemble,
        id=f"ensemble_{plan.target.name}",
    )


def _evaluations(
    config: RunConfig,
    plan: RunPlan,
    networks: _Artifacts,
    public: _Artifacts,
    ensembles: _Artifacts,
    faces: Any,
    ingested: Any,
) -> list[Any]:
    """The evaluations of every network and of every ensemble."""
    common = {"ingested": ingested, "settings": config.evaluation, "seed": config.seed}
    single = {}
    for training in plan.trainings:
        member = training.member
        single[training.name] = _with(evaluate, config.resources.evaluate, member=member)(
            **common,
            model=networks[training.name],
            public=public[training.name],
            faces=faces,
            targets=list(training.targets),
            tta=config.prediction,
            id=f"evaluate_{member}",
        )
    together = []
    for each in plan.targets:
        member = _member([each.target.name], ENSEMBLE)
        judged = _with(evaluate_ensemble, config.resources.evaluate, member=member)(
            **common,
            members=[single[voter.name] for voter in each.voters],
            ensemble=ensembles[each.target.name],
            target=each.target,
            id=f"evaluate_{member}",
        )
        together.append(judged)
    return [*single.values(), *together]


def _taught_by_ensembles(
    config: RunConfig, plan: RunPlan, networks: _Artifacts, ensembles: _Artifacts, faces: Any, balanced: _Artifacts
) -> _Artifacts:
    """The training sets of the students, by target."""
    predicted = {}
    for training in plan.teachers:
        member = training.member
        taught = [each for each in plan.targets_of(training) if each.students and training in each.voters]
        predicted[training.name] = _with(predict_training, config.resources.teach, member=member)(
            model=networks[training.name],
            faces=faces,
            targets=[each.target for each in taught],
            ensembles=[ensembles[each.target.name] for each in taught],
            tta=config.prediction,
            id=f"predict_training_{member}",
        )
    distilled = {}
    for each in plan.targets:
        name = each.target.name
        if each.students:
            teacher = _with(teach, config.resources.teach, target=name)(
                predictions=[predicted[voter.name] for voter in each.voters],
                names=[voter.label for voter in each.voters],
                ensemble=ensembles[name],
                training_set=balanced[name],
                id=f"teach_{name}",
            )
            distilled[name] = _distilled(config, balanced[name], teacher, name)
    return distilled


def _taught_by_file(config: RunConfig, training: Training, balanced: _Artifacts, files: NamedFiles) -> _Artifacts:
    """The training sets by target; those of a network whose teacher's answers are stored hold them."""
    taught = dict(balanced)
    for target in training.targets if training.entry.teacher_file else ():
        member = _member([target.name], training.label)
        teacher = _with(read_teacher, config.resources.teach, member=member)(
            file=str(training.entry.teacher_file),
            file_hash=files.teachers[training.label],
            target=target,
            training_set=balanced[target.name],
            id=f"read_teacher_{member}",
        )
        taught[target.name] = _distilled(config, balanced[target.name], teacher, member)
    return taught


def _distilled(config: RunConfig, training_set: Any, teacher: Any, member: str) -> Any:
    """A training set with the predictions of a teacher in its labels."""
    return _with(distil, config.resources.distil, member=member)(
        training_set=training_set, teacher=teacher, settings=config.distillation, id=f"distil_{member}"
    )


def _member(targets: Sequence[str], label: str) -> str:
    """How steps and artifacts of a network are called, in characters that names of files and jobs may have."""
    return "_".join((*targets, label))


def _with(step: Any, need: ResourceRequest, **names: str) -> Any:
    """`step` with the resources that it needs, and with its artifacts named after target or member."""
    asked = resource_settings(need)
    return step.with_options(settings={"resources": asked} if asked.model_fields_set else None, substitutions=names)
