"""Small copies of data sets in the layouts that they are published in, with noise for faces."""

import io
import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

__all__ = [
    "write_affectnet",
    "write_affectnet_lists",
    "write_ckplus",
    "write_ckplus48",
    "write_ferplus",
    "write_jaffe",
    "write_kdef",
    "write_numbered",
    "write_parquet",
    "write_rafdb",
]

_PEOPLE = ("KA", "KL", "KM", "NA", "NM")
_EMOTIONS = ("AN", "DI", "FE", "HA", "NE", "SA", "SU")
_COUNTER = itertools.count()


def _write(path: Path, size: tuple[int, int] = (64, 64)) -> None:
    """A picture of noise that no other one is a copy of."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(next(_COUNTER)).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def write_rafdb(root: Path) -> None:
    """The list, three pictures of train and one of test for each of seven labels, and one that is not aligned."""
    lines = []
    for label in range(1, 8):
        for part, numbers in (("train", range(3)), ("test", range(1))):
            for number in numbers:
                name = f"{part}_{label}{number:04d}"
                _write(root / f"basic/Image/aligned/{name}_aligned.jpg", (100, 100))
                lines.append(f"{name}.jpg {label}")
    _write(root / "basic/Image/original/train_10000.jpg")
    (root / "basic/EmoLabel").mkdir()
    (root / "basic/EmoLabel/list_patition_label.txt").write_text("\n".join(lines) + "\n")


def write_numbered(root: Path, parts: dict[str, int], labels: range) -> None:
    """Folders of parts with folders of numbers in them, so many pictures in each."""
    for (part, count), label in itertools.product(parts.items(), labels):
        for number in range(count):
            _write(root / part / str(label) / f"{number}.jpg")


def write_affectnet(root: Path) -> None:
    """Annotations beside pictures: two of each class for training, one for validation, and one that is uncertain."""
    for part, count in (("train_set", 2), ("val_set", 1)):
        for number in range(8 * count + (part == "train_set")):
            index = 9 if number == 8 * count else number % 8
            _write(root / part / f"images/{number}.jpg")
            (root / part / "annotations").mkdir(exist_ok=True)
            for kind, value in (("exp", str(index)), ("val", "0.5"), ("aro", "0.1")):
                np.save(root / part / f"annotations/{number}_{kind}.npy", np.array(value))


def write_affectnet_lists(root: Path) -> None:
    """The lists of the first release: two pictures of each class for training, one for validation, one without face."""
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    for name, count in (("training", 2), ("validation", 1)):
        lines = [header]
        for number in range(8 * count):
            place = f"{number % 3}/{name}{number}.jpg"
            _write(root / "Manually_Annotated_Images" / place, (90, 120))
            lines.append(f"{place},10,20,60,60,1;2;3,{number % 8},0.1,0.2")
        lines.append("0/none.jpg,NULL,NULL,NULL,NULL,,10,-2,-2")
        (root / f"{name}.csv").write_text("\n".join(lines) + "\n")


def write_ckplus(root: Path) -> None:
    """Two sequences of each of three people, one of a person without an emotion."""
    for person, sequence in itertools.product(("S005", "S010", "S011"), ("001", "002")):
        for frame in range(1, 8):
            name = f"{person}_{sequence}_{frame:08d}.png"
            _write(root / "cohn-kanade-images" / person / sequence / name)
        folder = root / "Emotion" / person / sequence
        folder.mkdir(parents=True)
        if (person, sequence) != ("S011", "002"):
            emotion = 1 + int(person[1:]) % 7
            (folder / f"{person}_{sequence}_00000007_emotion.txt").write_text(f"   {emotion:.7e}\n")


def write_ckplus48(root: Path) -> None:
    """Folders of emotions without splits, three frames of each of six people in each."""
    names = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
    for name, person, frame in itertools.product(names, range(10, 16), range(14, 17)):
        _write(root / "CK+48" / name / f"S{person:03d}_{names.index(name) + 1:03d}_{frame:08d}.png", (48, 48))


def write_jaffe(root: Path) -> None:
    """Five people with two pictures of each expression, and a file that is called otherwise."""
    for number, (person, emotion, take) in enumerate(itertools.product(_PEOPLE, _EMOTIONS, (1, 2))):
        _write(root / f"{person}.{emotion}{take}.{number}.tiff")
    _write(root / "cover.png")


def write_kdef(root: Path) -> None:
    """Three people in two sessions with every expression, from the front and from one side."""
    expressions = ("AF", "AN", "DI", "HA", "NE", "SA", "SU")
    for session, person, expression, angle in itertools.product("AB", ("F01", "F02", "M01"), expressions, ("S", "HL")):
        name = f"{session}{person}{expression}{angle}"
        _write(root / f"{session}{person}" / f"{name}.JPG", (76, 56))


def write_ferplus(root: Path) -> None:
    """Folders of three splits with a table of votes each."""
    number = 0
    for part, count in (("FER2013Train", 8), ("FER2013Valid", 4), ("FER2013Test", 4)):
        lines = []
        for at in range(count):
            _write(root / part / f"fer{number:07d}.png", (48, 48))
            votes = [0] * 10
            votes[at % 8], votes[8] = 9, 1
            lines.append(f'fer{number:07d}.png,"(0, 0, 48, 48)",{",".join(map(str, votes))}')
            number += 1
        (root / part / "label.csv").write_text("\n".join(lines) + "\n")


def write_parquet(path: Path, count: int, *, damaged: int = 0) -> None:
    """A file as `datasets` writes it: pictures of three classes in turn, twice each, the last ones damaged."""
    names = ("calm", "tense", "sad")
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures, mirrored = [], []
    for at in range(count):
        pixels = np.random.default_rng(next(_COUNTER)).integers(0, 256, (60, 60, 3), dtype=np.uint8)
        for column, values in ((pictures, pixels), (mirrored, pixels[:, ::-1])):
            buffer = io.BytesIO()
            Image.fromarray(values).save(buffer, format="PNG")
            content = buffer.getvalue() if at < count - damaged else b"no picture"
            column.append({"bytes": content, "path": f"{at}.png"})
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    label = pa.array([at % len(names) for at in range(count)], pa.int64())
    other = pa.array([(at // 2) % len(names) for at in range(count)], pa.int64())
    features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
    schema = pa.schema(
        [("image", image), ("mirrored", image), ("label", pa.int64()), ("other", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    table = pa.table([pa.array(pictures, image), pa.array(mirrored, image), label, other], schema=schema)
    pq.write_table(table, path, row_group_size=8)
