"""How people call splits in names of folders and shards and in tables."""

import re

from ferkit.data.labels import SPLITS, Split

__all__ = ["KNOWN_SPLITS", "split_index"]

_NAMES: dict[Split, tuple[str, ...]] = {
    "Training": ("train", "training", "trainset", "trainingset"),
    "PublicTest": ("validation", "valid", "val", "dev", "publictest", "valset", "validationset"),
    "PrivateTest": ("test", "testing", "privatetest", "testset"),
}
_INDEX = {name: SPLITS.index(split) for split, names in _NAMES.items() for name in names}

# For messages.
KNOWN_SPLITS = ", ".join(names[0] for names in _NAMES.values())


def split_index(name: str) -> int | None:
    """Index in `ferkit.data.labels.SPLITS` of the split that people call `name`, None if it is none.

    Examples
    --------
    >>> [split_index(name) for name in ("Train", "Public_Test", "FER2013Valid", "happy")]
    [0, 1, 1, None]
    """
    return _INDEX.get(re.sub(r"[^a-z]", "", name.lower()).removeprefix("fer"))
