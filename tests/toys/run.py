"""A run's results as the pipeline knows them: of small networks that were never trained, or of a run in a folder."""

from pathlib import Path

from ferkit.backbones import build_network
from ferkit.config.run_config import RunConfig
from ferkit.data.labels import class_names
from ferkit.evaluation.evaluate import evaluate
from ferkit.models.ensemble import combine, selection_ensemble
from ferkit.models.face_model import FaceModel
from ferkit.release.run_bundle import TrainedRun
from ferkit.sources import load
from ferkit.standalone.folder import RunFolder
from ferkit.standalone.run import train_run
from ferkit.standalone.run_data import RunData, read_data

TINY = {"name": "fernet", "width": 4, "depth": 1, "input_size": 16}
CONFIG = {
    "name": "toy",
    "data": {"source": "synthetic", "count": 240},
    "targets": [{"name": "fer"}, {"name": "ferplus"}],
    "backbones": [
        {**TINY, "alias": "both", "joint": True},
        {**TINY, "alias": "single", "targets": ["fer"]},
        {**TINY, "alias": "small", "joint": True, "teacher": "ensemble"},
    ],
    "ensemble": {"method": "mean"},
    "evaluation": {"bootstrap": 100},
    "registry": {"gate": {"floors": {"accuracy": 0, "macro_f1": 0, "recall": 0, "expected_calibration_error": 1}}},
}


def toy_run(folder, *, seed: int = 0, **changes) -> TrainedRun:
    """What the pipeline knows at the end of a run, but for the epochs: the networks are as they were born."""
    folder.mkdir(parents=True, exist_ok=True)
    config = RunConfig.model_validate({**CONFIG, **changes})
    faces = load(config.data)
    models, predictions = [], {}
    for number, training in enumerate(config.trained()):
        file = folder / f"{training.name}.keras"
        heads = {name: len(class_names(name)) for name in training.names}
        network = build_network(training.entry.backbone, heads, seed=100 * seed + number)
        model = FaceModel.save(network, training.label, training.names[0], file)
        models.append(model)
        found = [
            model.predict_heads(faces, training.targets, split, config.prediction)
            for split in ("PublicTest", "PrivateTest")
        ]
        for target in training.targets:
            predictions[target.name, training.label] = [each[target.name] for each in found]
    return _judged(config, models, predictions, RunData("", faces, faces))


def standalone_run(config: RunConfig, folder: Path) -> TrainedRun:
    """A run whose networks are trained, without ZenML and MLflow, in `folder`."""
    data, out = read_data(config), RunFolder(folder)
    train_run(config, data, folder)
    models, predictions = [], {}
    for training in config.trained():
        files = out.member(training.name)
        names = training.targets[0].class_names(data.faces.classes)
        models.append(FaceModel(training.label, training.names[0], files.network, names))
        for target in training.names:
            predictions[target, training.label] = [
                files.read_predictions(target, split) for split in ("PublicTest", "PrivateTest")
            ]
    return _judged(config, models, predictions, data)


def _judged(config, models, predictions, data) -> TrainedRun:
    ensembles, evaluations = [], []
    for target in config.targets:
        members = [each.label for each in config.members(target.name)]
        public = {each: predictions[target.name, each][0] for each in members}
        ensemble = selection_ensemble(public, data.faces, target, config.selection, config.ensemble)
        mixture = [combine({each: predictions[target.name, each][at] for each in members}, ensemble) for at in (0, 1)]
        judged = {label: found for (name, label), found in predictions.items() if name == target.name} | {
            "ensemble": mixture
        }
        evaluations += [
            evaluate(label, found, data.ingested, target, config.evaluation, config.seed)
            for label, found in judged.items()
        ]
        ensembles.append(ensemble)
    return TrainedRun(config, models, ensembles, evaluations, data.faces, data.ingested)
