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
import pandas as pd
from numpy.typing import NDArray

from ferkit.data.labels import FER_EMOTIONS, SPLITS
from ferkit.data.picture_files import decode_picture
from ferkit.data.stored_pictures import MEND_FILE
from ferkit.errors import DamagedPictureError, DataError
from ferkit.files import written_whole
from ferkit.sources.damage import Damage
from ferkit.sources.folder_tree import file_content, file_status
from ferkit.sources.folders import FolderSettings, list_folder
from ferkit.sources.picture_list import PictureList
from ferkit.sources.shards import PLAN
from ferkit.sources.tar_samples import member_names

__all__ = ["ShardPlan", "plan_shards", "write_shards"]

# As WebDataset's users name them; a shard's name says the split to who does not read the annotations.
_NAMES = dict(zip(SPLITS, ("train", "validation", "test"), strict=True))


@dataclass(frozen=True, eq=False)
class ShardPlan:
    """Which picture goes into which shard.

    Attributes
    ----------
    source
        The folder of the pictures, and how many of them may be damaged.
    listed
        What is in it.
    shards
        Indices of the pictures of each shard, by its name.
    side
        Pixels that each picture is brought to; None to copy the files' bytes.
    key
        Hash of all that decides what the shards hold.
    """

    source: FolderSettings
    listed: PictureList
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
    # What is younger than shards that are kept enters only where it is there.
    if listed.classes != FER_EMOTIONS:
        digest.update(repr(listed.classes).encode() + listed.label.tobytes())
    for path in listed.files:
        about = file_status(path)
        name = os.fsencode(path.relative_to(settings.path).as_posix())
        digest.update(name + f" {about.st_size} {about.st_mtime_ns}\n".encode())
    return ShardPlan(settings, listed, shards, side, digest.hexdigest())


def write_shards(
    plan: ShardPlan, to: Path, on_pictures: Callable[[int], None] = lambda _count: None
) -> tuple[list[Path], pd.DataFrame]:
    """Write the shards of `plan` that `to` does not have yet.

    Without ``plan.side`` the bytes of each picture are copied, once it is shown that they are a picture. Damaged ones
    are left out, as `ferkit.sources.folders.read_folder` does.

    Parameters
    ----------
    on_pictures
        Called with the number of pictures that were written, or found written, since the last call.

    Returns
    -------
    list of Path
        All shards.
    DataFrame
        The damaged pictures: row, file and reason.

    Raises
    ------
    DataError
        If too many pictures are damaged, or `to` cannot be written or holds shards of another plan.
    """
    damage = Damage()
    try:
        _begin(plan, to)
        for name in plan.shards:
            if (to / name).exists():
                _add_missing(damage, plan, to / name)
                on_pictures(len(plan.shards[name]))
            else:
                _write(plan, to / name, on_pictures, damage)
    except OSError as error:
        raise DataError(
            f"{to}: cannot be written ({error.strerror}); the same command goes on once it can be."
        ) from error
    damage.whole(len(plan.listed.files), plan.source.maximum_damaged, plan.source.path)
    table = damage.table({index: str(plan.listed.files[index]) for index in damage.reasons})
    return [to / name for name in plan.shards], table


def _write(plan: ShardPlan, shard: Path, on_pictures: Callable[[int], None], damage: Damage) -> None:
    with written_whole(shard) as part, tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as archive:
        for index in plan.shards[shard.name]:
            try:
                members = list(_members(plan, index))
            except DamagedPictureError as error:
                damage.add(index, error)
                damage.require_few(len(plan.listed.files), plan.source.maximum_damaged, plan.source.path)
                members = []
            for member, content in members:
                about = tarfile.TarInfo(member)
                about.size = len(content)
                archive.addfile(about, io.BytesIO(content))
            on_pictures(1)


def _add_missing(damage: Damage, plan: ShardPlan, shard: Path) -> None:
    """Add the pictures that were left out when a shard was written."""
    there = {name.partition(".")[0] for name in member_names(shard).values()}
    for index in plan.shards[shard.name]:
        if _key(index) not in there:
            reason = f"{plan.listed.files[index]}: was damaged when {shard.name} was written. {MEND_FILE}"
            damage.add(index, DamagedPictureError(reason))


def _begin(plan: ShardPlan, to: Path) -> None:
    """Write down what there will be, or hold what is written down there against it."""
    file = to / PLAN
    if file.exists():
        if json.loads(file.read_text()).get("key") != plan.key:
            raise DataError(
                f"{to}: holds shards of other pictures or settings than {plan.source.path} has now; name another "
                "folder, or delete this one."
            )
        return
    if to.exists() and any(path.suffix == ".tar" for path in to.iterdir()):
        raise DataError(f"{to}: holds tar files that no {PLAN} lists; name another folder.")
    counts = {name: len(members) for name, members in plan.shards.items()}
    with written_whole(file) as part:
        part.write_text(json.dumps({"key": plan.key, "pictures": len(plan.listed.files), "shards": counts}, indent=1))


def _members(plan: ShardPlan, index: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of a picture and of its annotation."""
    path, key = plan.listed.files[index], _key(index)
    content = file_content(path)
    try:
        whole = decode_picture(content, str(path))
    except DataError as error:
        raise DamagedPictureError(f"{error} {MEND_FILE}") from error
    if plan.side is None:
        yield f"{key}{path.suffix.lower()}", content
    else:
        yield f"{key}.jpg", _reduced(whole, plan.side)
    about = {
        "emotion": plan.listed.classes[plan.listed.label[index]],
        "split": SPLITS[plan.listed.split[index]],
        "row": index,
        "name": path.relative_to(plan.source.path).as_posix(),
    }
    yield f"{key}.json", json.dumps(about).encode()


def _key(index: int) -> str:
    """What the members of a picture are called, but for their suffixes."""
    return f"{index:09d}"


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
