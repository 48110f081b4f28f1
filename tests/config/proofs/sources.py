"""Settings of the data: each source is read from real files, and its pictures and labels are compared."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS
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
from ferkit.sources.synthetic.generate import SyntheticSettings, generate
from tests.config.proofs.changes import different, outcome
from tests.toys.layouts import write_jaffe, write_kdef, write_parquet

# ruff: noqa: E501

# Removed when the tests end.
_FOLDER = tempfile.TemporaryDirectory()


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


@cache
def drawn(**settings) -> FaceDataset:
    return generate(SyntheticSettings(**{"count": 200, "duplicates": 0.2, "non_faces": 0.2, **settings})).faces


def of_data(**settings):
    return drawn(**settings).content_hash()


# Of the same folder; every source deals its pictures by the same function.
_FOLDS = {"folds": 2, "fold": 0, "by": "subject"}
_OF_FOLDS = {"folds": 3, "fold": 1, "by": "picture", "seed": 1, "validation_fraction": 0.7}
_SUBJECT = {"subject": "/(S[0-9]+)_"}
_FOLDED = ("fer2013", "huggingface", "published", "shards", "synthetic", "table")


# By setting: a proof, or a test that sets it, in the file named.
EFFECTS = {
    "data.fer2013.path": different(of_fer2013, path="other-table"),
    "data.fer2013.ferplus": different(of_fer2013, ferplus="off"),
    "data.table.path": different(of_table, path="damaged.csv"),
    "data.table.root": "sources/test_table::test_names_are_relative_to_root",
    "data.table.labels": different(of_table, labels={"0": "rage"}),
    "data.table.validation_fraction": different(of_table, validation_fraction=0.4),
    "data.table.test_fraction": different(of_table, test_fraction=0.4),
    "data.table.seed": different(of_table, seed=4),
    "data.table.maximum_damaged": different(of_table, {"path": "damaged.csv"}, maximum_damaged=0),
    "data.table.stream": different(of_table, stream=True),
    "data.table.side": different(of_table, {"stream": True}, side=32),
    "data.table.colour": different(of_table, {"stream": True}, colour="rgb"),
    "data.table.columns.file": "sources/test_table::test_columns_of_other_names",
    "data.table.columns.label": different(of_columns, label="other"),
    "data.table.columns.split": different(of_columns, split="part"),
    "data.table.columns.subject": different(of_columns, subject="who"),
    "data.table.columns.weight": different(of_columns, weight="counts"),
    "data.table.columns.box": different(of_columns, box=("across", "down", "wide", "high")),
    "data.huggingface.path": different(of_huggingface, path="others"),
    "data.huggingface.image": different(of_huggingface, image="mirrored"),
    "data.huggingface.label": different(of_huggingface, label="other"),
    "data.huggingface.labels": different(of_huggingface, labels={"calm": None}),
    "data.huggingface.validation_fraction": different(of_huggingface, validation_fraction=0.4),
    "data.huggingface.test_fraction": different(of_huggingface, test_fraction=0.4),
    "data.huggingface.seed": different(of_huggingface, seed=4),
    "data.huggingface.maximum_damaged": different(of_huggingface, {"path": "others"}, maximum_damaged=0),
    "data.huggingface.stream": different(of_huggingface, stream=True),
    "data.huggingface.side": different(of_huggingface, {"stream": True}, side=32),
    "data.huggingface.colour": different(of_huggingface, {"stream": True}, colour="rgb"),
    "data.published.layout": lambda: of_published() != of_published(layout="kdef"),
    "data.published.path": lambda: of_published() != of_published(path="kdef"),
    "data.published.labels": different(of_published, labels={"happy": None}),
    "data.published.validation_fraction": different(of_published, validation_fraction=0.6),
    "data.published.test_fraction": different(of_published, test_fraction=0.6),
    "data.published.seed": different(of_published, seed=4),
    "data.published.maximum_damaged": lambda: of_published() != of_published(path="broken", maximum_damaged=0),
    "data.published.stream": different(of_published, stream=True),
    "data.published.side": different(of_published, {"stream": True}, side=32),
    "data.published.colour": different(of_published, {"stream": True}, colour="rgb"),
    **{f"data.folder.split.{name}": different(of_folder, {"split": _FOLDS, **_SUBJECT}, split={**_FOLDS, name: value}) for name, value in _OF_FOLDS.items() if name != "validation_fraction"},
    "data.folder.split.validation_fraction": different(of_folder, {"split": {**_FOLDS, "by": "picture"}}, split={**_FOLDS, "by": "picture", "validation_fraction": 0.7}),
    **{f"data.{source}.split.{name}": "sources/test_folds::test_each_fold_is_data_of_its_own_and_without_folds_nothing_changes" for source in _FOLDED for name in _OF_FOLDS},
    "data.folder.crop": "sources/test_cropping::test_each_face_is_cut_as_predict_cuts_it",
    "data.table.crop": "sources/test_cropping::test_where_a_box_says_which_face_is_meant_that_one_is_cut",
    "data.huggingface.crop": "sources/test_cropping::test_pictures_in_parquet_are_cut_too",
    "data.published.crop": "sources/test_cropping::test_each_face_is_cut_as_predict_cuts_it",
    "data.folder.path": different(of_folder, path="damaged"),
    "data.folder.validation_fraction": different(of_folder, validation_fraction=0.4),
    "data.folder.test_fraction": different(of_folder, {"path": "untested"}, test_fraction=0.4),
    "data.folder.labels": different(of_folder, labels={"angry": "rage"}),
    "data.folder.seed": different(of_folder, seed=4),
    "data.folder.subject": different(of_folder, subject="/(S[0-9]+)_"),
    "data.folder.maximum_damaged": different(of_folder, {"path": "damaged"}, maximum_damaged=0),
    "data.folder.stream": different(of_folder, stream=True),
    "data.folder.side": different(of_streamed, side=32),
    "data.folder.colour": different(of_streamed, colour="rgb"),
    "data.shards.maximum_damaged": different(of_shards, {"path": "damaged-shards"}, maximum_damaged=0),
    "data.shards.path": different(of_shards, path="damaged-shards"),
    "data.shards.side": different(of_shards, side=32),
    "data.shards.colour": different(of_shards, colour="rgb"),
    "data.synthetic.count": different(of_data, count=210),
    "data.synthetic.seed": different(of_data, seed=1),
    "data.synthetic.label_noise": different(of_data, label_noise=0.3),
    "data.synthetic.duplicates": different(of_data, duplicates=0.1),
    "data.synthetic.non_faces": different(of_data, non_faces=0.1),
}  # fmt: skip
