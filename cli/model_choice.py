"""The model that `--model` names: the reference models, a bundle like them, the registry's champion, or one network."""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cli.workspace import Workspace
from ferkit.errors import ConfigError
from ferkit.labels import Target
from ferkit.predictor import Classify

__all__ = ["CHAMPION", "ModelChoice", "bundle_folder", "choose_model"]

CHAMPION = "models:/ferkit@champion"
_REGISTERED = re.compile(r"models:/ferkit(?:@champion|/(\d+))")


@dataclass(frozen=True, eq=False)
class ModelChoice:
    """A model that is ready to be asked; what it needs is loaded then.

    Attributes
    ----------
    classify
        (N, 48, 48) uint8 to (N, classes) probabilities.
    classes
        Names of the columns.
    sha256
        Of what decides about its answers, in hexadecimal.
    """

    classify: Classify
    classes: tuple[str, ...]
    sha256: str


def choose_model(name: str | None, target: Target, *, single: bool) -> ModelChoice:
    """The model that `name` is.

    Parameters
    ----------
    name
        None for the reference models that ferkit ships; a file that ends with .keras; a folder with a
        ``reference.json``; or ``models:/ferkit@champion``, or ``models:/ferkit/3`` for version 3.
    single
        Ask the one network that learnt from the ensemble.

    Raises
    ------
    FerkitError
        If there is no such model, or it does not answer for the target.
    """
    if name and name.endswith(".keras"):
        if single:
            raise ConfigError("--single is one of the reference models, --model names another: give one of them.")
        from ferkit.model import FaceModel

        network = FaceModel(Path(name).stem, target, Path(name))
        return ModelChoice(network.predict, network.classes, network.content_hash())
    from ferkit.profile import bundle_sha256
    from ferkit.reference_model import load_reference

    reference = load_reference(bundle_folder(name) if name else None)
    classify = partial(reference.predict, target=target, single=single)
    return ModelChoice(classify, reference.classes(target), bundle_sha256(reference.folder))


def bundle_folder(name: str) -> Path:
    """The folder of a bundle of networks that `name` is, or that the registry has for it.

    Raises
    ------
    ConfigError
        If it is neither, or the registry has no champion.
    """
    if found := _REGISTERED.fullmatch(name):
        return _registered_folder(name, found[1])
    if name.startswith("models:") or not Path(name).is_dir():
        raise ConfigError(
            f"{name}: no such model, expected FILE.keras, a folder with reference.json, {CHAMPION}, or "
            "models:/ferkit/3 for version 3."
        )
    return Path(name)


def _registered_folder(name: str, version: str | None) -> Path:
    from registry.registered import load_champion, load_version

    workspace = Workspace.open()
    workspace.require_mlflow(writable=False)
    cache = workspace.root / "models"
    model = load_version(version, cache) if version else load_champion(cache)
    if model is None:
        raise ConfigError(f"{name}: no model was promoted yet; `ferkit promote` does that.")
    return model.folder
