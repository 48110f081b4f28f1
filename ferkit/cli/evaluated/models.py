"""The models that ``ferkit evaluate`` names: of a bundle, of the registry, of a run's folder, or one network's file."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ferkit.bundles.bundle import mixture
from ferkit.bundles.card import Vote
from ferkit.cli.model_choice import CHAMPION, choose_bundle
from ferkit.data.input_card import InputCard
from ferkit.data.labels import DECLARED_TARGETS, Target
from ferkit.data.stored_pictures import Images
from ferkit.data.targets import TargetSettings
from ferkit.errors import ConfigError
from ferkit.evaluation.side_by_side import JudgedModel
from ferkit.models.face_model import FaceModel, TargetProbabilities, predict_targets

__all__ = ["evaluated_model", "evaluated_models"]

# How a registered model may be called without "models:/": ferkit/3, ferkit@champion, @champion.
_SHORT = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)?(?P<which>@[\w.-]+|/\d+)(?P<model>#\w*)?")


def evaluated_models(names: Sequence[str]) -> list[JudgedModel]:
    """The models that a person calls `names`, as `evaluated_model`; folders are shown by their last part alone."""
    short = [Path(name).name if Path(name.partition("#")[0]).exists() else name for name in names]
    shown = [each if short.count(each) == 1 else name for name, each in zip(names, short, strict=True)]
    return [replace(evaluated_model(name), name=each) for name, each in zip(names, shown, strict=True)]


def evaluated_model(name: str) -> JudgedModel:
    """The model that a person calls `name`.

    Parameters
    ----------
    name
        ``vote``, ``default`` or ``tiny`` of the models that ferkit ships; a folder with a ``reference.json``; a model
        of the registry, ``models:/ferkit/3``, ``ferkit/3``, ``ferkit@champion`` or ``@champion``; each with ``#tiny``
        for another than its default model; a folder that ``python -m ferkit.standalone`` wrote, whose ensemble is
        judged, or after ``#`` one of its networks; a file of one network for FER's emotions that ends in .keras.

    Raises
    ------
    FerkitError
        If there is no such model.
    """
    if name.endswith(".keras"):
        return _of_file(name)
    place, _, part = name.partition("#")
    if (Path(place) / "run.json").is_file():
        return _of_run(name, Path(place), part)
    if not Path(name).exists() and (short := _SHORT.fullmatch(name)):
        registered = short["name"] or CHAMPION.removeprefix("models:/").partition("@")[0]
        return _of_bundle(name, f"models:/{registered}{short['which']}{short['model'] or ''}")
    return _of_bundle(name, name)


def _of_bundle(name: str, address: str) -> JudgedModel:
    bundle, model = choose_bundle(address)
    resolved = bundle.card.resolved(model)
    targets = {target: card for target, card in bundle.card.targets.items() if resolved in card.models}
    if not targets:
        raise ConfigError(f"{name}: no model {model!r} there; it has {', '.join(bundle.card.models)}.")

    def predict(images: Images, wanted: Sequence[Target], on_pictures: Callable[[int], None]) -> TargetProbabilities:
        return bundle.predict_targets(images, wanted, model=model, on_pictures=on_pictures)

    return JudgedModel(
        name,
        {target: bundle.classes(target) for target in targets},
        {target: card.labelling for target, card in targets.items()},
        predict,
        len({network for card in targets.values() for network in card.models[resolved].weights}),
        bundle.input,
    )


def _of_file(name: str) -> JudgedModel:
    from ferkit.models.network_file import stored_input
    from ferkit.models.network_shape import require_classifier

    # A file does not name its classes: they are taken for those of the first declared target.
    target = next(iter(DECLARED_TARGETS))
    model, taken = FaceModel(Path(name).stem, target, Path(name)), stored_input(Path(name))

    def predict(images: Images, wanted: Sequence[Target], on_pictures: Callable[[int], None]) -> TargetProbabilities:
        require_classifier(model.network, model.file, target, taken)
        probabilities = model.predict(images)
        on_pictures(len(images))
        return dict.fromkeys(wanted, probabilities)

    return JudgedModel(name, {target: model.classes}, {target: TargetSettings(name=target)}, predict, 1, taken)


def _of_run(name: str, folder: Path, label: str) -> JudgedModel:
    """The ensemble of a run without ZenML, or the networks of it that are called `label`; neither has a temperature."""
    from ferkit.config.loading import load_stored_config
    from ferkit.config.run_plan import ENSEMBLE, RunPlan
    from ferkit.sources import streamed
    from ferkit.standalone.folder import RunFolder

    run = RunFolder(folder)
    config = load_stored_config(run.config)
    votes: dict[Target, dict[str, float]] = {}
    for plan in RunPlan.of(config).targets:
        named = {each.label: each.name for each in plan.trainings}
        if label in ("", ENSEMBLE):
            ensemble = run.read_ensemble(plan.target.name)
            pairs = zip(ensemble.members, ensemble.weights, strict=True)
            votes[plan.target.name] = {named[member]: weight for member, weight in pairs if weight > 0}
        elif label in named:
            votes[plan.target.name] = {named[label]: 1.0}
    if not votes:
        known = ", ".join([ENSEMBLE, *(entry.label for entry in config.backbones)])
        raise ConfigError(f"{name}: no network {label!r} in this run, it has {known}.")
    classes = {
        target: DECLARED_TARGETS[target].classes
        if target in DECLARED_TARGETS
        else run.member(next(iter(weights))).read_predictions(target, "PublicTest").classes
        for target, weights in votes.items()
    }

    def predict(images: Images, wanted: Sequence[Target], on_pictures: Callable[[int], None]) -> TargetProbabilities:
        predicted: dict[str, TargetProbabilities] = {}
        for training in dict.fromkeys(each for target in wanted for each in votes[target]):
            heads = [target for target in wanted if training in votes[target]]
            network = FaceModel(training, heads[0], run.member(training).network, classes[heads[0]]).network
            predicted[training] = predict_targets(network, images, heads, config.prediction)
            on_pictures(len(images))
        return {target: mixture(Vote(weights=votes[target]), predicted, target) for target in wanted}

    settings = {target.name: target for target in config.targets if target.name in votes}
    networks = len({each for vote in votes.values() for each in vote})
    pictures = streamed(config.data)
    taken = InputCard(size=pictures.side, colour=pictures.colour == "rgb") if pictures else InputCard()
    return JudgedModel(name, classes, settings, predict, networks, taken)
