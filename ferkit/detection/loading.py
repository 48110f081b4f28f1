"""The face detectors by name."""

from typing import Literal, get_args

from ferkit.detection.base import Detector
from ferkit.errors import ConfigError

__all__ = ["DETECTORS", "DetectorName", "load_detector"]

DetectorName = Literal["blazeface", "haar"]
DETECTORS: tuple[DetectorName, ...] = get_args(DetectorName)


def load_detector(name: str) -> Detector:
    """The detector called `name`; what it needs is read when it is first used.

    Raises
    ------
    ConfigError
        If there is none of that name, or what it needs is not installed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from ferkit.data.picture_files import read_picture
    >>> faces = load_detector("blazeface").detect(read_picture(Path("docs/images/faces.png")))
    >>> len(faces) > 10
    True
    """
    # Not at the top: both modules need this one.
    from ferkit.detection.blazeface import BlazeFace
    from ferkit.detection.haar import HaarCascade

    if name not in DETECTORS:
        raise ConfigError(f"detector {name!r} is unknown, expected one of {', '.join(DETECTORS)}.")
    return BlazeFace() if name == "blazeface" else HaarCascade()
