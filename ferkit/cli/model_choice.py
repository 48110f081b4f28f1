"""The model that `--model` names: one of the shipped ones, of a bundle like them or of the registry, or a network."""

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ferkit.cli.state.workspace import Workspace
from ferkit.data.input_card import InputCard
from ferkit.data.labels import DECLARED_TARGETS, Target
from ferkit.errors import ConfigError
from ferkit.inference.predictor import Classify

if TYPE_CHECKING:
    from ferkit.bundles.bundle import Bundle
    from ferkit.bundles.card import ModelName

__all__ = ["CHAMPION", "ModelChoice", "bundle_folder", "choose_bundle", "choose_model"]

CHAMPION = "models:/ferkit@champion"

_HDF5 = (".h5", ".hdf5")


@dataclass(frozen=True, eq=False)
class ModelChoice:
    """A model chosen by ``--model``; its networks are loaded at the first prediction.

    Attributes
    ----------
    classify
        (N, side, side[, 3]) uint8 to (N, classes) probabilities.
    classes
        Names of the columns of the probabilities.
    target
        Whose classes they are.
    input
        The pictures that it takes.
    sha256
        Checksum of everything that decides about its predictions, in hexadecimal.
    name
        Which model of a bundle answers: ``vote``, ``default`` or ``tiny``; empty of a file of one network.
    """

    classify: Classify
    classes: tuple[str, ...]
    target: Target
    input: InputCard
    sha256: str
    name: str = ""


def choose_model(name: str, target: Target | None) -> ModelChoice:
    """The model that the value of ``--model`` names.

    Parameters
    ----------
    name
        ``default``, ``vote`` or ``tiny`` of the models that ferkit ships; a folder with a ``reference.json`` or a model
        of the registry, ``models:/ferkit@champion`` or ``models:/ferkit-fernet/3``, and of those another model than the
        default one after ``#``: ``models:/ferkit@champion#tiny``; or a file that ends with .keras.
    target
        What it is asked for; if None, the first target of a bundle, the first declared one of a file.

    Raises
    ------
    FerkitError
        If there is no such model, or it does not predict the target.
    """
    if name.endswith(".keras"):
        return _of_file(Path(name), target or next(iter(DECLARED_TARGETS)))
    from ferkit.monitoring.profile import bundle_sha256

    bundle, model = choose_bundle(name)
    target = target or bundle.targets[0]
    bundle.vote_for(target, model)
    classify = partial(bundle.predict, target=target, model=model)
    classes, sha256 = bundle.classes(target), bundle_sha256(bundle.folder)
    return ModelChoice(classify, classes, target, bundle.input, sha256, bundle.card.resolved(model))


def choose_bundle(name: str) -> "tuple[Bundle, ModelName]":
    """The bundle that `name` is, see `choose_model`, and which of its models is asked for.

    Raises
    ------
    FerkitError
        If there is no such bundle or no such model.
    """
    from ferkit.bundles.bundle import load_bundle
    from ferkit.bundles.card import MODELS

    if name in MODELS and not Path(name).is_dir():
        return load_bundle(), name
    place, _, requested = name.partition("#") if not Path(name).is_dir() else (name, "", "default")
    model = next((each for each in MODELS if each == (requested or "default")), None)
    if model is None:
        raise ConfigError(f"{name}: no model {requested!r} in a bundle, expected one of {', '.join(MODELS)} after #.")
    return load_bundle(bundle_folder(place, also=f"{', '.join(MODELS)}, ")), model


def _of_file(file: Path, target: Target) -> ModelChoice:
    from ferkit.models.face_model import FaceModel
    from ferkit.models.network_file import stored_input
    from ferkit.models.network_shape import require_classifier

    if target not in DECLARED_TARGETS:
        raise ConfigError(
            f"{file}: a .keras file does not name the classes of {target}, a bundle does: a registered model, or what "
            f"`ferkit export-reference` makes of its run. Of a file, --target is {' or '.join(DECLARED_TARGETS)}."
        )
    model, taken = FaceModel(file.stem, target, file), stored_input(file)

    # Once, at the first prediction: reading a network takes seconds.
    @cache
    def checked() -> FaceModel:
        require_classifier(model.network, file, target, taken)
        return model

    return ModelChoice(lambda images: checked().predict(images), model.classes, target, taken, model.content_hash())


def bundle_folder(name: str, *, also: str = "") -> Path:
    """The folder of a bundle of networks that `name` is, or that the registry has for it.

    Parameters
    ----------
    also
        What else was expected, for the error.

    Raises
    ------
    FerkitError
        If it is neither, or the registry does not have it.
    """
    from ferkit.registry.addresses import ModelAddress

    if address := ModelAddress.parse(name):
        workspace = Workspace.open()
        workspace.require_mlflow(writable=False)
        return address.load(workspace.root / "models").folder
    if name.startswith("models:") or not Path(name).is_dir():
        if Path(name).suffix.lower() in _HDF5 and Path(name).is_file():
            raise ConfigError(
                f"{name}: a network in HDF5, expected .keras. Save it anew, with Keras: "
                f"keras.models.load_model({name!r}).save({str(Path(name).with_suffix('.keras'))!r})."
            )
        problem = "not a model that is read" if Path(name).exists() else "no such model"
        raise ConfigError(
            f"{name}: {problem}, expected {also}FILE.keras, a folder with reference.json, "
            f"models:/NAME@ALIAS such as {CHAMPION}, or models:/NAME/VERSION such as models:/ferkit/3."
        )
    return Path(name)
