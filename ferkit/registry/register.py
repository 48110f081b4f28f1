"""Registers the models of a run as versions of registered models."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ferkit.registry.client import aliases_of, find_model, registry_client, registry_errors
from ferkit.registry.history import ensure_history
from ferkit.registry.mlflow_model import code_hash, log_model
from ferkit.registry.models import CHALLENGER, CHAMPION, REGISTERED_NAME, version_exists
from ferkit.registry.promote import current_user
from ferkit.release.run_bundle import JudgedBundle, TrainedRun, bundle_ensemble, bundle_single

__all__ = ["Lineage", "register_bundle", "register_run"]

CONTENT_TAG = "ferkit.content"
_LOG = logging.getLogger(__name__)
# Longest description that MLflow's databases store.
_LONGEST_DESCRIPTION = 5000


@dataclass(frozen=True)
class Lineage:
    """The origin of a run's models: run, data, code, artifacts.

    Attributes
    ----------
    pipeline_run
        Name of the run of the pipeline.
    data_hash
        Content hash of the data as it was read.
    commit
        Git commit of the checkout, None where it is not known.
    artifacts
        Ids of the versions of ZenML's artifacts that were read, by name.
    """

    pipeline_run: str
    data_hash: str
    commit: str | None
    artifacts: Mapping[str, str]

    def tags(self) -> dict[str, str]:
        """The lineage as tags of an MLflow model version."""
        return {
            "ferkit.pipeline_run": self.pipeline_run,
            "ferkit.data_hash": self.data_hash,
            "ferkit.git_commit": self.commit or "unknown",
            "ferkit.artifacts": json.dumps(dict(self.artifacts)),
            "ferkit.registered_by": current_user(),
        }

    def origin(self) -> dict[str, str]:
        """The lineage as rows of the model card, by their headings."""
        return {
            "Run of the pipeline": self.pipeline_run,
            "Hash of the data": self.data_hash,
            "Commit of ferkit": self.commit or "unknown",
        }


def register_run(run: TrainedRun, lineage: Lineage) -> pd.DataFrame:
    """Register the ensemble of a run, and its networks one by one if ``registry.singles`` says so.

    The active MLflow run becomes their source; where there is none, one is made. What the registry has already, under
    the same code, is not registered again: it becomes the challenger unless it is the champion.

    Returns
    -------
    name, version, model_id
        One line a version.
    """
    import mlflow

    content = hashlib.sha256(f"{run.content_hash()} {code_hash()}".encode()).hexdigest()
    made = []
    within = nullcontext() if mlflow.active_run() else mlflow.start_run(run_name=lineage.pipeline_run)
    with within, tempfile.TemporaryDirectory() as scratch:
        version = _existing_version(REGISTERED_NAME, content)
        if version is None:
            judged = bundle_ensemble(run, Path(scratch) / "ensemble" / "bundle", lineage.origin())
            version = register_bundle(judged, REGISTERED_NAME, "ensemble", lineage, content)
        made.append(version)
        if run.config.registry.singles:
            for label in dict.fromkeys(training.label for training in run.config.trained()):
                name = f"{REGISTERED_NAME}-{label}"
                version = _existing_version(name, content)
                if version is None:
                    judged = bundle_single(run, label, Path(scratch) / label / "bundle", lineage.origin())
                    version = register_bundle(judged, name, label, lineage, content)
                made.append(version)
    return pd.DataFrame(made, columns=["name", "version", "model_id"])


def _existing_version(name: str, content: str) -> tuple[str, str, str] | None:
    """The newest version with this content, made the challenger unless it is the champion; None if there is none."""
    client = registry_client()
    with registry_errors(f"versions of {name}"):
        versions = client.search_model_versions(f"name = '{name}'") if find_model(name) else []
    same = [each for each in versions if each.tags.get(CONTENT_TAG) == content]
    for version in sorted(same, key=lambda each: int(each.version), reverse=True):
        number = str(version.version)
        if version_exists(name, number):
            _LOG.info("%s version %s is this model already; nothing is registered", name, number)
            if aliases_of(find_model(name)).get(CHAMPION) != number:
                with registry_errors(f"alias {CHALLENGER} of {name}"):
                    client.set_registered_model_alias(name, CHALLENGER, number)
            # A list of versions leaves their models out, but for the address: models:/<model_id>.
            return name, number, (version.source or "").rpartition("/")[2]
    return None


def register_bundle(
    judged: JudgedBundle, name: str, label: str, lineage: Lineage, content: str
) -> tuple[str, str, str]:
    """Log a bundle to the active MLflow run and make it the challenger of the registered model `name`.

    Parameters
    ----------
    label
        Name of the model in its run: ``ensemble`` or the label of a backbone.
    content
        Hash of models and code, by which `register_run` recognises a version that exists already.

    Returns
    -------
    name, version, model_id

    Raises
    ------
    RegistryError
        If the registry does not answer.
    """
    ensure_history(name)
    logged = log_model(judged, label, lineage.tags())
    client = registry_client()
    with registry_errors(f"registered model {name}"):
        version = client.create_model_version(
            name,
            source=logged.model_uri,
            run_id=logged.run_id,
            tags={**lineage.tags(), CONTENT_TAG: content},
            description=_description(judged, label),
            model_id=logged.model_id,
        )
        client.set_registered_model_alias(name, CHALLENGER, version.version)
    return name, str(version.version), str(logged.model_id)


def _description(judged: JudgedBundle, label: str) -> str:
    """The beginning of a version's page: what it is and how good, and where the whole card is."""
    lines = [
        f"- {row['target']}, {row['model']}, {row['subset']}: accuracy {100 * row['accuracy']:.2f} %, "
        f"macro-F1 {row['macro_f1']:.4f}, ECE {row['expected_calibration_error']:.4f} ({row['pictures']} pictures)"
        for row in judged.scores[judged.scores["role"] != "member"].to_dict("records")
    ]
    head = f"`{label}` of the run `{judged.bundle.card.name}`. Its model card: `artifacts/bundle/MODEL_CARD.md`."
    return "\n".join([head, "", *lines])[:_LONGEST_DESCRIPTION]
