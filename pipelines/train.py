"""The pipeline: which step feeds which."""

from typing import Any

from zenml import pipeline
from zenml.config import ResourceSettings

from ferkit.config import BackboneEntry, ResourceRequest, RunConfig
from ferkit.targets import TargetSettings
from steps.drop_non_faces import drop_non_faces
from steps.ensemble import ensemble
from steps.evaluate import evaluate, evaluate_ensemble
from steps.fine_tune import fine_tune
from steps.ingest import ingest
from steps.oversample import oversample
from steps.report import report
from steps.validate import validate

__all__ = ["train"]


@pipeline(dynamic=False)
def train(config: RunConfig, fingerprint: str, exclude_hash: str) -> None:
    """Data to judged models; `fingerprint` and `exclude_hash` are hashes of the files that `config` names."""
    need = config.resources
    ingested = _with(ingest, need.ingest)(settings=config.data, fingerprint=fingerprint)
    validated, expectations, quarantined, _docs = _with(validate, need.validate_)(
        faces=ingested, settings=config.validation
    )
    faces, manifest = _with(drop_non_faces, need.drop_non_faces)(
        faces=validated, settings=config.cleaning, exclude_hash=exclude_hash
    )
    training_sets, histories, ensembles, evaluations = [], [], [], []
    for target in config.targets:
        training_set = _with(oversample, need.oversample, target=target.name)(
            faces=faces, target=target, settings=config.balancing, seed=config.seed, id=f"oversample_{target.name}"
        )
        validations, judged = {}, {}
        for entry in config.members(target.name):
            model, history, validation = _train_member(config, target, entry, faces, training_set)
            judged[entry.label] = _with(evaluate, need.evaluate, member=_member(target, entry.label))(
                model=model,
                validation=validation,
                faces=faces,
                ingested=ingested,
                target=target,
                settings=config.evaluation,
                seed=config.seed,
                id=f"evaluate_{_member(target, entry.label)}",
            )
            validations[entry.label] = validation
            histories.append(history)
        votes = _with(ensemble, need.ensemble, target=target.name)(
            validations=list(validations.values()),
            names=list(validations),
            faces=faces,
            target=target,
            settings=config.ensemble,
            id=f"ensemble_{target.name}",
        )
        together = _with(evaluate_ensemble, need.evaluate, member=_member(target, "ensemble"))(
            members=list(judged.values()),
            ensemble=votes,
            ingested=ingested,
            target=target,
            settings=config.evaluation,
            seed=config.seed,
            id=f"evaluate_{_member(target, 'ensemble')}",
        )
        training_sets.append(training_set)
        ensembles.append(votes)
        evaluations += [*judged.values(), together]
    _with(report, need.report)(
        config=config,
        ingested=ingested,
        validated=validated,
        cleaned=faces,
        expectations=expectations,
        quarantined=quarantined,
        manifest=manifest,
        training_sets=training_sets,
        histories=histories,
        ensembles=ensembles,
        evaluations=evaluations,
    )


def _member(target: TargetSettings, label: str) -> str:
    return f"{target.name}_{label}"


def _train_member(
    config: RunConfig, target: TargetSettings, entry: BackboneEntry, faces: Any, training_set: Any
) -> Any:
    need = entry.resources or config.resources.fine_tune
    member = _member(target, entry.label)
    return _with(fine_tune, need, member=member)(
        faces=faces,
        training_set=training_set,
        target=target,
        backbone=entry.backbone,
        settings=config.training_of(entry),
        seed=config.seed,
        id=f"fine_tune_{member}",
    )


def _with(step: Any, need: ResourceRequest, **names: str) -> Any:
    """`step` with the resources it asks for, and with its artifacts named after target or member."""
    asked = need.model_dump(exclude_none=True)
    return step.with_options(settings={"resources": ResourceSettings(**asked)} if asked else None, substitutions=names)
