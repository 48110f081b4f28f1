"""What settings change, each observed where that takes no training: of files, networks, layers, votes and verdicts."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ferkit.backbones import BackboneSettings, build_network, set_trainable
from ferkit.backbones.weights import content_of
from ferkit.config.run_config import RunConfig
from ferkit.data.labels import FER_EMOTIONS
from ferkit.data.targets import TargetSettings
from ferkit.errors import FerkitError
from ferkit.evaluation.evaluate import evaluate
from ferkit.evaluation.metrics import EvaluationSettings
from ferkit.models.ensemble import EnsembleSettings, fit_ensemble
from ferkit.models.predictions import Predictions
from ferkit.models.selection import SelectionSettings, selection_pictures
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.promotion.gate import judge
from ferkit.sources import (
    Fer2013Settings,
    FolderSettings,
    HuggingFaceSettings,
    PublishedSettings,
    ShardSettings,
    TableSettings,
    load,
)
from ferkit.sources.shard_writer import plan_shards, write_shards
from ferkit.training.augmentation import AugmentationSettings, build_augmentation
from ferkit.training.distillation import DistillationSettings, distil
from ferkit.training.execution import ExecutionSettings, check_execution, compile_arguments, precision_of
from ferkit.training.mixing import MixingSettings
from steps.figures import evaluation_figures
from tests.promotion.test_gate import gate, measurement, predicted_classes
from tests.toys.layouts import write_jaffe, write_kdef, write_parquet
from tests.training.test_fine_tune import marked_faces

FER = TargetSettings()
# Removed when the tests end.
_FOLDER = tempfile.TemporaryDirectory()
# Two heads of one network, and a student of what the others say.
RUN = {"name": "t", "data": {"source": "synthetic"}, "targets": [{"name": "fer"}, {"name": "ferplus"}]}


class Refusal(str):
    """The words of a refusal."""


def outcome(work, *arguments):
    """What a function returns, or says in refusing."""
    try:
        return work(*arguments)
    except FerkitError as error:
        return Refusal(error)


@cache
def files() -> Path:
    """A folder, the same with a damaged picture, shards of each, and FER-2013's table with FER+ beside it."""
    root = Path(_FOLDER.name)
    generator = np.random.default_rng(0)
    for name in ("whole", "damaged"):
        for part, count in (("train", 6), ("test", 2)):
            for emotion in FER_EMOTIONS[:2]:
                folder = root / name / part / emotion
                folder.mkdir(parents=True)
                for number in range(count):
                    pixels = generator.integers(0, 256, (64, 64, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(folder / f"S{number // 2}_{number}.png")
        if name == "damaged":
            (folder / "S0_0.png").write_bytes(b"no picture")
    shutil.copytree(root / "whole" / "train", root / "untested" / "train")
    lines = [
        f"{path},{at % 3},{2 * at % 3},{'train' if at % 2 else 'test'},{at // 4},{at % 5},{at},{at},30,30"
        for at, path in enumerate(sorted((root / "whole").rglob("*.png")))
    ]
    table = "\n".join(["file,label,other,part,who,counts,across,down,wide,high", *lines])
    (root / "whole" / "faces.csv").write_text(table)
    (root / "whole" / "damaged.csv").write_text(table.replace(".png", ".bmp", 1))
    write_parquet(root / "parquet" / "data.parquet", 30)
    write_parquet(root / "others" / "data.parquet", 30, damaged=1)
    for name in ("jaffe", "broken"):
        write_jaffe(root / name)
    write_kdef(root / "kdef")
    (root / "broken" / "KA.AN1.0.tiff").write_bytes(b"no picture")
    write_shards(plan_shards(FolderSettings(path=root / "whole"), 8, 0), root / "shards")
    write_shards(plan_shards(FolderSettings(path=root / "whole"), 8, 1), root / "other")
    write_shards(plan_shards(FolderSettings(path=root / "whole"), 8, 0), root / "damaged-shards")
    shard = root / "damaged-shards" / "train-000000.tar"
    content = bytearray(shard.read_bytes())
    content[512:520] = b"no image"
    shard.write_bytes(content)
    for name in ("table", "other-table"):
        (root / name).mkdir()
        rows = [
            f"{index % 7},{' '.join(map(str, generator.integers(0, 256, 2304)))},{usage}"
            for index, usage in enumerate(["Training"] * 4 + ["PublicTest", "PrivateTest"])
        ]
        (root / name / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
        votes = ["Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"]
        votes += [f"{row.rpartition(',')[2]},fer{at:07d}.png,10,0,0,0,0,0,0,0,0,0" for at, row in enumerate(rows)]
        (root / name / "fer2013new.csv").write_text("\n".join(votes) + "\n")
    return root


def _hash(settings):
    faces = load(settings)
    return [faces.content_hash(), type(faces.images).__name__]


def of_fer2013(path="table", **settings):
    return outcome(_hash, Fer2013Settings(path=files() / path, **settings))


def of_folder(path="whole", **settings):
    return outcome(_hash, FolderSettings(path=files() / path, **settings))


def of_table(path="faces.csv", **settings):
    return outcome(_hash, TableSettings(path=files() / "whole" / path, **settings))


def of_huggingface(path="parquet", image="image", **settings):
    settings = HuggingFaceSettings(path=files() / path, image=image, **settings)
    return outcome(_hash, settings)


def of_published(path="jaffe", layout="jaffe", **settings):
    return outcome(_hash, PublishedSettings(path=files() / path, layout=layout, **settings))


def of_columns(**columns):
    return of_table(columns=columns)


def of_streamed(**settings):
    return of_folder(stream=True, **settings)


def of_shards(path="shards", **settings):
    return outcome(_hash, ShardSettings(path=files() / path, **settings))


def of_minority(method, **settings):
    faces = marked_faces()
    kept = np.flatnonzero((faces.label != 1) | (np.arange(len(faces)) % 2 == 0))
    return oversample(faces.take(kept), FER, BalancingSettings(method=method, **settings), 0).content_hash()


def of_network(**settings):
    """What it is made of, and how it answers."""
    chosen = {"name": "fernet", "width": 4, **settings}
    network = build_network(BackboneSettings(**chosen), {"fer": 7}, seed=0)
    rates = [layer.rate for layer in network._flatten_layers() if type(layer).__name__ == "Dropout"]
    said = network.predict_on_batch(marked_faces().images[:4, ..., None])
    return [each.shape for each in network.weights], rates, np.asarray(said).tobytes()


def of_stages(**settings):
    network = build_network(BackboneSettings(name="fernet", width=4, **settings), {"fer": 7}, seed=0)
    return [each.shape for each in network.weights]


def of_weights(**settings):
    file = files() / "mine.h5"
    file.write_bytes(b"weights")
    chosen = {name: file if value == "file" else value for name, value in settings.items()}
    return content_of(BackboneSettings(name="fernet", **chosen))


def of_freedom(unfreeze="all", batch_norm="trainable"):
    network = build_network(BackboneSettings(name="fernet", width=4), {"fer": 7}, seed=0)
    set_trainable(network, unfreeze, batch_norm=batch_norm)
    return [each.path.rpartition("/")[2] for each in network.trainable_weights]


def of_entry(**entry):
    """The trainings of a run with two backbones, in order, and how the first one is trained."""
    backbones = [{"name": "fernet", "alias": "other"}, {"name": "fernet", **entry}]
    config = RunConfig.model_validate({**RUN, "backbones": backbones})
    chosen = [config.training_of(each.entry).model_dump() for each in config.trained()]
    teachers = [(each.name, each.entry.is_student, each.entry.teacher_file) for each in config.trained()]
    return teachers, [each.label for each in config.members("fer")], chosen


def of_run_seed(**change):
    config = RunConfig.model_validate({**RUN, "backbones": [{"name": "fernet"}], **change})
    return config.seed_of(config.trained()[0])


def of_augmentation(**settings):
    from keras import ops

    still = {"flip": 0, "rotation": 0, "shift": 0, "zoom": 0}
    layer = build_augmentation(AugmentationSettings(**{**still, **settings}), 1)
    return ops.convert_to_numpy(layer(marked_faces().images[:8, ..., None], training=True)).tobytes()


def of_mixing(**settings):
    from ferkit.training.mixing_layer import Mixing

    labels = np.eye(7, dtype=np.float32)[np.arange(8) % 7]
    pictures, (mixture,) = Mixing(MixingSettings(**settings), 5)(marked_faces().images[:8, ..., None], [labels])
    return np.asarray(pictures).tobytes(), np.asarray(mixture).tobytes()


def of_smoothing(label_smoothing=0.0):
    from ferkit.training.trainer import CrossEntropy

    labels = np.eye(7, dtype=np.float32)[:3]
    said = np.random.default_rng(0).dirichlet(np.ones(7), 3).astype(np.float32)
    return float(CrossEntropy(label_smoothing)(labels, said))


def of_execution(**settings):
    chosen = ExecutionSettings(**settings)
    card = BackboneSettings(name="fernet").card
    return precision_of(chosen, card), compile_arguments(chosen), outcome(check_execution, chosen, 64)


def of_selection(**settings):
    faces = marked_faces()
    images = faces.images.copy()
    images[faces.in_split("PublicTest")] = images[: faces.in_split("PublicTest").sum()]
    images[np.flatnonzero(faces.in_split("PublicTest"))[0]] = 7
    copies = type(faces)(images, faces.label, faces.split, faces.row)
    return selection_pictures(copies, SelectionSettings(**settings)).row.tolist()


def of_distillation(**settings):
    training = oversample(marked_faces(), FER, BalancingSettings(), 0)
    said = np.random.default_rng(0).dirichlet(np.ones(7), len(training.row)).astype(np.float32)
    teacher = Predictions("fer", "Training", training.row, said)
    return distil(training, teacher, DistillationSettings(**settings)).content_hash()


@cache
def votes():
    """Three members that are right more and more often, and the labels."""
    generator = np.random.default_rng(0)
    label = generator.integers(0, 7, 200)
    right = np.eye(7)[label]
    said = {
        name: Predictions(
            "fer", "PublicTest", np.arange(200), _normal(generator.dirichlet(np.ones(7), 200) + skill * right)
        )
        for name, skill in (("a", 0.1), ("b", 0.3), ("c", 0.5))
    }
    return said, right.astype(np.float32)


def _normal(said):
    return (said / said.sum(axis=1, keepdims=True)).astype(np.float32)


def of_ensemble(**settings):
    return fit_ensemble(*votes(), EnsembleSettings(**settings))


def of_grid(grid=16):
    faces = marked_faces()
    every = Predictions("fer", "PrivateTest", faces.of_split("PrivateTest").row, _normal(np.ones((21, 7))))
    public = Predictions("fer", "PublicTest", faces.of_split("PublicTest").row, _normal(np.ones((21, 7))))
    settings = EvaluationSettings(grid=grid, bootstrap=100)
    judged = evaluate("m", [public, every], faces, FER, settings, 0)
    return evaluation_figures(judged, faces, settings, 0)["wrong-PrivateTest.png"]


def of_tracking(**change):
    """What the command tells MLflow of a run."""
    from ferkit.tracking.pipeline_run import tracker_settings

    config = RunConfig.model_validate({**RUN, "backbones": [{"name": "fernet"}], **change})
    told = tracker_settings(config, "data")
    # The hash is of the whole configuration.
    return told["experiment_name"], {key: value for key, value in told["tags"].items() if "hash" not in key}


def of_floor(pictures=600, **floors):
    """The verdict on a model that is right in 72 of 100, and never about the few pictures of one class."""
    labels = np.random.default_rng(0).integers(0, 7, pictures).astype(np.int8)
    labels[labels == 1] = 0
    labels[:5] = 1
    answers = predicted_classes(labels, 0.72, 0)
    answers[:5] = 0
    return judge(measurement("m", labels, answers), None, gate(floors), 0).passed


def of_change(targets=("fer", "ferplus"), **change):
    labels = np.random.default_rng(0).integers(0, 7, 600).astype(np.int8)
    champion, challenger = (
        measurement("m", labels, predicted_classes(labels, share, 0), targets=targets) for share in (0.7, 0.72)
    )
    return judge(challenger, champion, gate(**change), 0).reasons
