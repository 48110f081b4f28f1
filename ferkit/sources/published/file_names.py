"""JAFFE and KDEF, whose file names say everything.

JAFFE: Lyons, Akamatsu, Kamachi and Gyoba, "Coding Facial Expressions with Gabor Wavelets", FG 1998; 213 pictures of
ten women, such as ``KA.AN1.39.tiff``. KDEF: Lundqvist, Flykt and Ohman, "The Karolinska Directed Emotional Faces",
Karolinska Institutet, 1998; 70 people, two sessions, seven expressions, five angles, such as ``AF01AFS.JPG``.
"""

import re
from pathlib import Path

import numpy as np

from ferkit.data.folder_search import find_files
from ferkit.data.picture_files import SUFFIXES
from ferkit.errors import DataError
from ferkit.sources.published.found import Found

__all__ = ["jaffe", "kdef"]

_NAMES = {
    "AN": "angry",
    "DI": "disgust",
    "FE": "fear",
    "AF": "fear",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}
_JAFFE = re.compile(r"^(?P<subject>[A-Z]{2})\.(?P<emotion>AN|DI|FE|HA|NE|SA|SU)[0-9]*\.[0-9]+$")
_KDEF = re.compile(
    r"^[AB](?P<subject>[FM][0-9]{2})(?P<emotion>AF|AN|DI|HA|NE|SA|SU)(?P<angle>FL|HL|S|HR|FR)$", re.IGNORECASE
)


def jaffe(root: Path) -> Found:
    """JAFFE's pictures, each with its subject; it has no splits.

    Raises
    ------
    DataError
        If no file is called as JAFFE's are.
    """
    return _named(root, _JAFFE, "KA.AN1.39.tiff")


def kdef(root: Path) -> Found:
    """KDEF's pictures that are taken from the front, each with its subject; profiles are passed over.

    Raises
    ------
    DataError
        If no file is called as KDEF's are.
    """
    return _named(root, _KDEF, "AF01AFS.JPG")


def _named(root: Path, pattern: re.Pattern[str], example: str) -> Found:
    found, subjects = Found(), []
    for path in find_files(root, SUFFIXES).files:
        match = pattern.match(path.stem)
        if match is None:
            found.passed_over[f"not called as {example}"] += 1
        elif match.groupdict().get("angle", "S").upper() != "S":
            found.passed_over["profile"] += 1
        else:
            found.append(path, _NAMES[match["emotion"].upper()])
            subjects.append(match["subject"].upper())
    if not found.files:
        raise DataError(f"{root}: no picture that is called as {example}.")
    found.subject = np.array(subjects, dtype=object)
    return found
