"""Settings of the service, from options of ``ferkit serve`` or the environment."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from ferkit.detection.loading import DetectorName
from ferkit.errors import ConfigError
from ferkit.settings import Settings

__all__ = ["PREFIX", "ServingSettings"]

# FERKIT_SERVE_PORT is `port`, and so on.
PREFIX = "FERKIT_SERVE_"

_SHORTEST_TOKEN = 8
# Requests a minute of one client where other machines can reach the service: a page that streams five pictures a second
# uses a quarter of it.
_RATE_LIMIT = 1200


class ServingSettings(Settings):
    """Settings of the service: address, limits, and the place of its model.

    Attributes
    ----------
    host, port
        Address to listen on.
    token
        What ``Authorization: Bearer`` has to carry for the API and the metrics; none: everybody may ask.
    hosts
        Names that ``Host`` may carry, separated by commas; empty: any.
    proxies
        How many proxies in front of the service add to ``X-Forwarded-For``, which then gives a client's address.
    most_bytes : bytes
        Largest body of a request.
    most_pixels : pixels
        Largest picture; also what all requests together may decode at a time of pictures of more than a million
        pixels, so that memory has a bound.
    decoders
        Processes that decode pictures and find their faces; one of them is left to pictures of up to a million pixels.
    most_pictures
        Pictures in a request.
    most_faces
        Faces of a picture that are read: the largest.
    rate_limit : requests a minute
        Most requests a minute of one client; 0: no limit; none: no limit if only this machine can reach the
        service, else 1,200.
    threads
        Requests that are worked on at a time; all but four of them may predict, the rest stays free for the page and
        ``/metrics``. ``/healthz`` and ``/readyz`` have threads of their own.
    most_batch : faces
        Faces that the network sees at once; fewer where it takes longer than half a second for them.
    most_waiting : faces
        Faces that may wait for the network; more are refused with 503.
    head_seconds : s
        How long a client may take to ask: for the lines before the body, from its connection on; one that takes longer
        is disconnected.
    body_seconds : s
        The longest pause of a client within its body; one that pauses longer is refused with 408.
    upload_seconds : s
        How long a client may take for its whole body, at least `body_seconds`; one that takes longer is refused with
        408, however short its pauses are.
    patience_seconds : s
        How long a request waits for memory, or for the network to read one of its faces, before it is refused with
        503.
    detector
        What finds the faces.
    bundle
        Serve the model in this folder, and ask no registry.
    cache
        Where models from the registry are kept.
    reload_seconds : s
        Time between two looks at the registry.
    """

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    token: SecretStr | None = None
    hosts: str = ""
    proxies: int = Field(0, ge=0, le=10)
    most_bytes: int = Field(20_000_000, ge=10_000, le=200_000_000)
    most_pixels: int = Field(25_000_000, ge=10_000, le=120_000_000)
    decoders: int = Field(2, ge=2, le=64)
    most_pictures: int = Field(32, ge=1, le=1000)
    most_faces: int = Field(300, ge=1, le=10_000)
    rate_limit: int | None = Field(None, ge=0)
    threads: int = Field(32, ge=5, le=500)
    most_batch: int = Field(64, ge=1, le=4096)
    most_waiting: int = Field(2000, ge=1)
    head_seconds: float = Field(10.0, gt=0, le=300)
    body_seconds: float = Field(10.0, gt=0, le=300)
    upload_seconds: float = Field(120.0, gt=0, le=3600, validate_default=True)
    patience_seconds: float = Field(10.0, gt=0, le=300)
    detector: DetectorName = "blazeface"
    bundle: Path | None = None
    cache: Path = Path(".ferkit/serving")
    reload_seconds: float = Field(30.0, ge=0.1)

    @field_validator("token")
    @classmethod
    def _can_be_presented(cls, token: SecretStr | None) -> SecretStr | None:
        """Refuse a token that no header ``Authorization`` carries whole."""
        if token is None:
            return None
        text = token.get_secret_value()
        if len(text) < _SHORTEST_TOKEN:
            raise PydanticCustomError("token", f"{len(text)} characters, expected {_SHORTEST_TOKEN} or more")
        if not text.isascii() or not text.isprintable() or text != text.strip():
            raise PydanticCustomError("token", "expected letters, digits and signs of ASCII, no space at either end")
        if "=" in text.rstrip("="):
            # RFC 9110, 11.2: what follows would be the value of a parameter.
            raise PydanticCustomError("token", "a = within the token, expected it at the end at most")
        return token

    @field_validator("upload_seconds")
    @classmethod
    def _holds_a_pause(cls, seconds: float, info: ValidationInfo) -> float:
        """Refuse an end before the longest pause, which would then mean nothing."""
        pause = info.data.get("body_seconds", 0)
        if seconds < pause:
            raise PydanticCustomError("upload", f"{seconds:g} s, expected at least body_seconds, {pause:g} s")
        return seconds

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings that variables ``FERKIT_SERVE_...`` give; an empty one counts as not set.

        Raises
        ------
        ConfigError
            If one has a value that is not allowed, or names no setting.
        """
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(PREFIX) and value
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            name = PREFIX + str(first["loc"][0]).upper()
            known = ", ".join(PREFIX + field.upper() for field in cls.model_fields)
            reason = f"no such setting; there are {known}" if first["type"] == "extra_forbidden" else first["msg"]
            raise ConfigError(f"{name}: {reason}.") from None

    def to_environment(self) -> dict[str, str]:
        """The variables from which `from_environment` makes these settings."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            PREFIX + name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            for name, value in values.items()
            if value is not None
        }

    @property
    def requests_a_minute(self) -> int:
        """Most requests a minute of one client; 0 if there is no limit."""
        if self.rate_limit is not None:
            return self.rate_limit
        return 0 if self._only_this_machine else _RATE_LIMIT

    @property
    def most_requests(self) -> int:
        """Requests that may predict at a time."""
        return self.threads - 4

    @property
    def _only_this_machine(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
