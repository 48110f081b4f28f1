"""Backbones: what a network is built on, by name.

To add one, write a function that builds it and decorate it with `registry.register`; everything that differs from the
others is data on its card::

    @register(
        "tinynet", summary="three convolutions", input_size=48, min_size=16,
        preprocessing=Preprocessing("grey 0..1", mean=(0.0,), scale=1 / 255), head=Head(), parameters=12_345,
    )
    def tinynet(size: int, settings: BackboneSettings) -> keras.Model: ...

Import keras inside the function, put the file in this folder and import it below: the network can then be named in
a config, `ferkit backbones` lists it, and the tests of the registry check its parameters, its saved form and its
gradients. Pretrained weights are a `Weights` on the card: file, URL, checksum, licence.
"""

from ferkit.backbones import dlib_resnet, fernet, imagenet, mobilenet, vggface
from ferkit.backbones.batch_norm import restore_batch_norm_statistics
from ferkit.backbones.freezing import set_trainable
from ferkit.backbones.listing import describe
from ferkit.backbones.network import build_network
from ferkit.backbones.registry import Backbone, Head, Preprocessing, Weights, get, names, register
from ferkit.backbones.settings import BackboneSettings

__all__ = [
    "Backbone",
    "BackboneSettings",
    "Head",
    "Preprocessing",
    "Weights",
    "build_network",
    "describe",
    "dlib_resnet",
    "fernet",
    "get",
    "imagenet",
    "mobilenet",
    "names",
    "register",
    "restore_batch_norm_statistics",
    "set_trainable",
    "vggface",
]
