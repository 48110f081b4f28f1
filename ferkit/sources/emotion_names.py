"""How people call emotions and splits in names of folders, shards and annotations."""

from ferkit.data.labels import FER_EMOTIONS, Split
from ferkit.errors import DataError

__all__ = ["PARTS", "emotion_index"]

_SYNONYMS = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}

PARTS: dict[str, Split] = {
    **dict.fromkeys(("train", "training"), "Training"),
    **dict.fromkeys(("validation", "valid", "val", "publictest"), "PublicTest"),
    **dict.fromkeys(("test", "privatetest"), "PrivateTest"),
}


def emotion_index(name: str, where: str) -> int:
    """Index of an emotion in `ferkit.data.labels.FER_EMOTIONS`; `where` it is written, for the message.

    Raises
    ------
    DataError
        If there is no such emotion.
    """
    known = _SYNONYMS.get(name.lower(), name.lower())
    if known not in FER_EMOTIONS:
        raise DataError(f"{where}: unknown emotion {name!r}, expected one of {', '.join(FER_EMOTIONS)}.")
    return FER_EMOTIONS.index(known)
