"""Pictures as people keep them, in folders and in tar files, and what is said in reading them."""

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from ferkit.data.dataset import SIZE
from tests.toys.pictures import encoded


def noise(seed: int, shape: tuple[int, ...] = (SIZE, SIZE)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_picture(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def write_classes(root: Path, names: dict[str, int]) -> None:
    for seed, (name, count) in enumerate(names.items()):
        for number in range(count):
            write_picture(root / name / f"{number}.png", noise(1000 * seed + number))


def warnings_in(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def write_tar(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return path


PICTURE = ("a.png", encoded(np.zeros((48, 48), dtype=np.uint8)))
