"""RAF-DB's basic emotions: aligned pictures with their list, or folders 1 to 7.

Li, Deng and Du, "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild",
CVPR 2017. ``EmoLabel/list_patition_label.txt`` (so spelled) has a line ``train_00001.jpg 5`` for each picture of
``Image/aligned/train_00001_aligned.jpg``; 12,271 of train and 3,068 of test.
"""

from pathlib import Path

from ferkit.data.folder_search import find_files
from ferkit.data.picture_files import SUFFIXES
from ferkit.errors import DataError
from ferkit.sources.published.found import PRIVATE, TRAINING, Found, in_class_folders

__all__ = ["rafdb"]

_LISTS = ("list_patition_label.txt", "list_partition_label.txt")
_NAMES = {
    "1": "surprise",
    "2": "fear",
    "3": "disgust",
    "4": "happy",
    "5": "sad",
    "6": "angry",
    "7": "neutral",
}
_ALIGNED = "_aligned"


def rafdb(root: Path) -> Found:
    """Its pictures; those of test are PrivateTest.

    Raises
    ------
    DataError
        If there is neither the list with its pictures nor folders 1 to 7.
    """
    lists = sorted(path for name in _LISTS for path in root.rglob(name))
    if not lists:
        return in_class_folders(root, _NAMES).with_published_test()
    by_stem = {path.stem: path for path in find_files(root, SUFFIXES).files}
    found = Found()
    for number, line in enumerate(lists[0].read_text().splitlines(), 1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        stem = Path(name).stem
        if label not in _NAMES or not stem.startswith(("train", "test")):
            raise DataError(f"{lists[0]} line {number}: {line.strip()!r}, expected train_00001.jpg 5.")
        path = by_stem.get(f"{stem}{_ALIGNED}") or by_stem.get(stem)
        if path is None:
            raise DataError(
                f"{lists[0]} line {number}: no picture {stem}{_ALIGNED}.jpg below {root}; unpack aligned.zip there."
            )
        found.append(path, _NAMES[label], TRAINING if stem.startswith("train") else PRIVATE)
    return found
