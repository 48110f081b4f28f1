"""Names of classes, as folders and tables have them: which mean the same, and in which order a data set has them."""

import re
from collections.abc import Iterable

from ferkit.data.labels import FER_EMOTIONS

__all__ = ["class_key", "class_table"]

_SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
    "contemptuous": "contempt",
}
_EMOTIONS = {*FER_EMOTIONS, "contempt"}
_NUMBER = re.compile(r"^([0-9]+)[ _.-]+(?=[^0-9])")


def class_key(name: str) -> str:
    """What names of one class have in common: case, and how emotions are called and numbered, do not count.

    Examples
    --------
    >>> [class_key(name) for name in ("1_Surprise", "surprised", "Calm", "2_years")]
    ['surprise', 'surprise', 'calm', '2_years']
    """
    key = name.strip().casefold()
    bare = _NUMBER.sub("", key)
    emotion = _SYNONYMS.get(bare, bare)
    return emotion if emotion in _EMOTIONS else key


def class_table(names: Iterable[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """The classes of a data set, and which of them each name stands for.

    Parameters
    ----------
    names
        As they are written in the data, some perhaps for the same class.

    Returns
    -------
    classes
        The emotions of FER-2013 if all are among them. Otherwise as they are written, by their numbers if they begin
        with one, then by the alphabet; where names of one class differ, its `class_key`.
    index
        Place of each name in them.

    Examples
    --------
    >>> class_table(["calm", "Tense"])
    (('calm', 'Tense'), {'calm': 0, 'Tense': 1})
    >>> class_table(["Happiness", "sad"])[1]
    {'Happiness': 3, 'sad': 4}
    """
    written: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        written.setdefault(class_key(name), []).append(name)
    order = sorted(written, key=lambda key: _order(written[key][0]))
    classes = tuple(written[key][0] if len(written[key]) == 1 else key for key in order)
    if written.keys() <= set(FER_EMOTIONS):
        order, classes = list(FER_EMOTIONS), tuple(FER_EMOTIONS)
    return classes, {name: order.index(key) for key, names_of_class in written.items() for name in names_of_class}


def _order(name: str) -> tuple[float, str]:
    number = name if name.isdecimal() else (_NUMBER.match(name) or ("", "inf"))[1]
    return float(number), name.casefold()
