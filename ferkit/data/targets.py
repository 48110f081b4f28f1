"""What a network is trained to say: the classes of FER or those of FER+, as distributions over pictures."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import FER_EMOTIONS, Protocol, Target, votes_to_labels
from ferkit.errors import DataError
from ferkit.settings import Settings

__all__ = ["TargetSettings", "labelled"]


class TargetSettings(Settings):
    """One target of a run.

    Attributes
    ----------
    name
        ``fer``: the 7 emotions of FER-2013. ``ferplus``: the 8 of FER+.
    train_on
        Labels that a ``ferplus`` network learns from: ``probability`` is cross-entropy on the distribution of the
        votes, ``majority`` on their one label; ``multi_target`` takes all emotions with at least 30 % of the votes for
        equally right: the loss is minus the logarithm of the largest probability among them (multi-label learning in
        Barsoum et al. 2016, arXiv:1608.01041). ``fer`` has one label a picture.
    protocol
        How FER+ labels are made for selection and evaluation. A FER+ number means nothing without it.
    """

    name: Target = "fer"
    train_on: Literal["probability", "majority", "multi_target"] = "probability"
    protocol: Protocol = "majority"

    @property
    def multi_label(self) -> bool:
        """Whether every class with a label above 0 is as right as the others."""
        return self.train_on == "multi_target"


def labelled(
    faces: FaceDataset, target: Target, protocol: Protocol = "majority"
) -> tuple[FaceDataset, NDArray[np.float32]]:
    """The pictures that have a label for `target`, and their labels.

    Returns
    -------
    faces
        The K pictures that the protocol keeps, in order; all of them for ``fer``.
    distribution : (K, classes) float32
        Rows sum to one; one-hot where there is one label.

    Raises
    ------
    DataError
        If ``ferplus`` is asked of pictures without FER+ votes.

    Examples
    --------
    >>> from ferkit.sources.synthetic.generate import SyntheticSettings, generate
    >>> faces = generate(SyntheticSettings(count=200)).faces
    >>> pictures, labels = labelled(faces, "ferplus", "majority")
    >>> len(pictures) < len(faces), labels.shape == (len(pictures), 8)
    (True, True)
    """
    if target == "fer":
        return faces, np.eye(len(FER_EMOTIONS), dtype=np.float32)[faces.label]
    if faces.votes is None:
        raise DataError("target 'ferplus' needs FER+ votes: put fer2013new.csv beside fer2013.csv, or drop the target.")
    labels = votes_to_labels(faces.votes, protocol)
    return faces.take(labels.keep), labels.distribution[labels.keep]
