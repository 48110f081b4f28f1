"""The model that `--model` names: the shipped models, a bundle like them, a model of the registry, or one network."""

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from ferkit.cli.state.workspace import Workspace
from ferkit.data.labels import Target
from ferkit.errors import ConfigError
from ferkit.inference.predictor import Classify

__all__ = ["CHAMPION", "ModelChoice", "bundle_folder", "choose_model"]

CHAMPION = "models:/ferkit@champion"

_HDF5 = (".h5", ".hdf5")


@dataclass(frozen=True, eq=False)
class ModelChoice:
    """A model chosen by ``--model``; its networks are loaded at the first prediction.

    Attributes
    ----------
    classify
        (N, 48, 48) uint8 to (N, classes) probabilities.
    classes
        Names of the columns of the probabilities.
    sha256
        Checksum of everything that decides about its predictions, in hexadecimal.
    """

    classify: Classify
    classes: tuple[str, ...]
    sha256: str


def choose_model(name: str | None, target: Target, *, single: bool) -> ModelChoice:
    """The model that the value of ``--model`` names.

    Parameters
    ----------
    name
        None for the models that ferkit ships; a file that ends with .keras; a folder with a
        ``reference.json``; or a model of the registry, ``models:/ferkit@champion`` or ``models:/ferkit-fernet/3``.
    single
        Predict with the one network that learned from the ensemble.

    Raises
    ------
    FerkitError
        If there is no such model, or it does not predict the target.
    """
    if name and name.endswith(".keras"):
        if single:
            raise ConfigError("--single is one of the shipped models, --model names another: give one of them.")
        return _of_file(Path(name), target)
    from ferkit.bundles.bundle import load_bundle
    from ferkit.monitoring.profile import bundle_sha256

    bundle = load_bundle(bundle_folder(name) if name else None)
    classify = partial(bundle.predict, target=target, single=single)
    return ModelChoice(classify, bundle.classes(target), bundle_sha256(bundle.folder))


def _of_file(file: Path, target: Target) -> ModelChoice:
    from ferkit.models.face_model import FaceModel
    from ferkit.models.network_shape import require_classifier

    model = FaceModel(file.stem, target, file)

    # Once, at the first prediction: reading a network takes seconds.
    @cache
    def checked() -> FaceModel:
        require_classifier(model.network, file, target)
        return model

    return ModelChoice(lambda images: checked().predict(images), model.classes, model.content_hash())


def bundle_folder(name: str) -> Path:
    """The folder of a bundle of networks that `name` is, or that the registry has for it.

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
            f"{name}: {problem}, expected FILE.keras, a folder with reference.json, models:/NAME@ALIAS such as "
            f"{CHAMPION}, or models:/NAME/VERSION such as models:/ferkit/3."
        )
    return Path(name)
