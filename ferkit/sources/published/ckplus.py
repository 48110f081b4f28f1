"""CK+: sequences from a neutral face to the height of an expression, or the folders of its cut out faces, CK+48.

Lucey, Cohn et al., "The Extended Cohn-Kanade Dataset (CK+)", CVPR Workshops 2010. 327 of its 593 sequences have an
emotion, of 118 people.
"""

import re
from pathlib import Path

import numpy as np

from ferkit.errors import DataError
from ferkit.sources.published.found import Found, in_class_folders

__all__ = ["ckplus"]

_NAMES = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
_FOLDERS = {name: name for name in _NAMES} | {"anger": "angry", "happiness": "happy", "sadness": "sad"}
_IMAGES = "cohn-kanade-images"
# The frames of a sequence that show its emotion, as most papers on CK+ take them; the first shows none.
_AT_THE_HEIGHT = 3
_SUBJECT = re.compile(r"^(S[0-9]+)_")


def ckplus(root: Path) -> Found:
    """Its pictures, each with its subject; it has no splits.

    Of a sequence ``cohn-kanade-images/S005/001/*.png`` with ``Emotion/S005/001/*_emotion.txt`` the last three frames
    have that emotion, the first is neutral. Sequences without an emotion are passed over. Of CK+48 the folders
    ``anger``, ``contempt``, ... with ``S010_004_00000017.png``.

    Raises
    ------
    DataError
        If it is neither, or an emotion is none of CK+'s.
    """
    images = sorted(root.rglob(_IMAGES))
    found = _sequences(images[0]) if images else in_class_folders(root, _FOLDERS)
    people = [_SUBJECT.match(path.name) for path in found.files]
    if not all(people):
        odd = next(path for path, person in zip(found.files, people, strict=True) if person is None)
        raise DataError(f"{odd}: not a name of CK+'s, expected S010_004_00000017.png.")
    found.subject = np.array([person and person[1] for person in people], dtype=object)
    return found


def _sequences(images: Path) -> Found:
    emotions = {path.parent.name + path.parent.parent.name: path for path in images.parent.rglob("*_emotion.txt")}
    if not emotions:
        raise DataError(f"{images.parent}: no Emotion/S005/001/*_emotion.txt beside {_IMAGES}; unpack Emotion_labels.")
    found = Found()
    for sequence in sorted(images.glob("S*/[0-9]*")):
        file = emotions.get(sequence.name + sequence.parent.name)
        frames = sorted(path for path in sequence.glob("*.png") if not path.name.startswith("."))
        if file is None or not frames:
            found.passed_over["sequence without an emotion" if frames else "sequence without frames"] += 1
            continue
        name = _emotion(file)
        found.append(frames[0], _NAMES[0])
        for frame in frames[1:][-_AT_THE_HEIGHT:]:
            found.append(frame, name)
    return found


def _emotion(file: Path) -> str:
    text = file.read_text().strip()
    try:
        return _NAMES[int(float(text))]
    except (ValueError, IndexError):
        raise DataError(f"{file}: {text!r}, expected a number from 0 to {len(_NAMES) - 1}.") from None
