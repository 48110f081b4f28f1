"""Writing tar shards from a folder of pictures: each shard is there once it is whole, and a killed run goes on."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ferkit.data.labels import FER_EMOTIONS, SPLITS
from ferkit.data.picture_files import decode_picture, picture_bytes
from ferkit.errors import DataError
from ferkit.files import written_whole
from ferkit.sources.folder_tree import file_status
from ferkit.sources.folders import FolderList, FolderSettings, list_folder
from ferkit.sources.shards import PLAN

__all__ = ["ShardPlan", "plan_shards", "write_shards"]

# As WebDataset's users name them; a shard's name says the split to who does not read the annotations.
_NAMES = dict(zip(SPLITS, ("train", "validation", "test"), strict=True))


@dataclass(frozen=True, eq=False)
class ShardPlan:
    """Which picture goes into which shard.

    Attributes
    ----------
    root
        The folder of the pictures.
    listed
        What is in it.
    shards
        Indices of the pictures of each shard, by its name.
    side
        Pixels that each picture is brought to; None to copy the files' bytes.
    key
        Hash of all that decides what the shards hold.
    """

    root: Path
    listed: FolderList
    shards: dict[str, list[int]]
    side: int | None
    key: str


def plan_shards(settings: FolderSettings, pictures: int, seed: int, side: int | None = None) -> ShardPlan:
    """Spread the pictures of a folder over shards of one split each, in an order that `seed` draws.

    Parameters
    ----------
    settings
        Which folder, and which part of Training becomes PublicTest where there is none.
    pictures
        Most pictures in a shard.
    side
        Store each picture as JPEG of that many pixels square; None to keep it as it is.

    Raises
    ------
    DataError
        As `ferkit.sources.folders.list_folder` does.
    """
    listed = list_folder(settings)
    generator = np.random.default_rng(seed)
    shards: dict[str, list[int]] = {}
    for index, split in enumerate(SPLITS):
        order = generator.permutation(np.flatnonzero(listed.split == index))
        for number, start in enumerate(range(0, len(order), pictures)):
            shards[f"{_NAMES[split]}-{number:06d}.tar"] = order[start : start + pictures].tolist()
    digest = hashlib.sha256(json.dumps([shards, side]).encode() + listed.split.tobytes())
    for path in listed.files:
        about = file_status(path)
        name = os.fsencode(path.relative_to(settings.path).as_posix())
        digest.update(name + f" {about.st_size} {about.st_mtime_ns}\n".encode())
    return ShardPlan(settings.path, listed, shards, side, digest.hexdigest())


def write_shards(plan: ShardPlan, to: Path, on_pictures: Callable[[int], None] = lambda _count: None) -> list[Path]:
    """Write the shards of `plan` that `to` does not have yet.

    Without ``plan.side`` the bytes of each picture are copied, once it is shown that they are a picture.

    Parameters
    ----------
    on_pictures
        Called with the number of pictures that were written, or found written, since the last call.

    Returns
    -------
    list of Path
        All shards.

    Raises
    ------
    DataError
        If a file is no picture, or `to` cannot be written or holds shards of another plan.
    """
    try:
        _begin(plan, to)
        for name in plan.shards:
            if (to / name).exists():
                on_pictures(len(plan.shards[name]))
            else:
                _write(plan, to / name, on_pictures)
    except OSError as error:
        raise DataError(
            f"{to}: cannot be written ({error.strerror}); the same command goes on once it can be."
        ) from error
    return [to / name for name in plan.shards]


def _write(plan: ShardPlan, shard: Path, on_pictures: Callable[[int], None]) -> None:
    with written_whole(shard) as part, tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as archive:
        for index in plan.shards[shard.name]:
            for member, content in _members(plan, index):
                about = tarfile.TarInfo(member)
                about.size = len(content)
                archive.addfile(about, io.BytesIO(content))
            on_pictures(1)


def _begin(plan: ShardPlan, to: Path) -> None:
    """Write down what there will be, or hold what is written down there against it."""
    file = to / PLAN
    if file.exists():
        if json.loads(file.read_text()).get("key") != plan.key:
            raise DataError(
                f"{to}: holds shards of other pictures or settings than {plan.root} has now; name another folder, or "
                "delete this one."
            )
        return
    if to.exists() and any(path.suffix == ".tar" for path in to.iterdir()):
        raise DataError(f"{to}: holds tar files that no {PLAN} lists; name another folder.")
    counts = {name: len(members) for name, members in plan.shards.items()}
    with written_whole(file) as part:
        part.write_text(json.dumps({"key": plan.key, "pictures": len(plan.listed.files), "shards": counts}, indent=1))


def _members(plan: ShardPlan, index: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of a picture and of its annotation."""
    path = plan.listed.files[index]
    content = picture_bytes(path)
    whole = decode_picture(content, str(path))
    if plan.side is None:
        yield f"{index:09d}{path.suffix.lower()}", content
    else:
        yield f"{index:09d}.jpg", _reduced(whole, plan.side)
    about = {
        "emotion": FER_EMOTIONS[plan.listed.label[index]],
        "split": SPLITS[plan.listed.split[index]],
        "row": index,
        "name": path.relative_to(plan.root).as_posix(),
    }
    yield f"{index:09d}.json", json.dumps(about).encode()


def _reduced(picture: NDArray[np.uint8], side: int) -> bytes:
    """JPEG of a picture (H, W, 3) at another size; grey if its channels are equal."""
    from PIL import Image

    image = Image.fromarray(picture)
    if (picture == picture[..., :1]).all():
        image = image.convert("L")
    buffer = io.BytesIO()
    # Without the halved resolution of colour that JPEG has by default.
    image.resize((side, side), Image.Resampling.LANCZOS).save(buffer, format="JPEG", quality=95, subsampling=0)
    return buffer.getvalue()
