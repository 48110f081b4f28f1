"""Log lines without credentials, and without the places of this machine."""

import logging
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["Redaction"]

_HIDDEN = "..."
# What MLflow reads credentials from, beside the addresses.
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "FERKIT_SERVE_TOKEN")
_ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
# Shorter ones would be found within words.
_SHORTEST_SECRET = 4
# scheme://user:password@host:port/path; a password may hold a slash or an @ that nobody escaped.
_ADDRESS = re.compile(
    r"\b(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:[^\s\"'<>]*@)?(?P<host>[^\s\"'<>/]*)(?P<path>[^\s\"'<>]*)"
)
_PATH = re.compile(r"(?<![\w.:/])/(?P<root>[^\s/:\"'<>|,;()]+)(?:/[^\s/:\"'<>|,;()]*)+")


class Redaction:
    """Takes credentials, the paths of addresses, and folders out of text.

    An address keeps its scheme, host and port; an absolute path keeps its last part.

    Parameters
    ----------
    environment
        Where the addresses and secrets of the registry, and the service's token, are found.

    Examples
    --------
    >>> Redaction({}).of("no answer from https://ann:secret@models.example:5000/api")
    'no answer from https://models.example:5000/...'
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        found = [environment.get(name, "") for name in _SECRETS]
        for name in _ADDRESSES:
            password = _password(environment.get(name, ""))
            found += [password, unquote(password)]
        self._secrets = sorted({each for each in found if len(each) >= _SHORTEST_SECRET}, key=len, reverse=True)
        # With spaces in them, as the expression below does not know them.
        self._folders = _folders((Path.home(), Path.cwd()))

    def of(self, text: str) -> str:
        """`text` without credentials, paths of addresses, and folders."""
        text = _ADDRESS.sub(_short_address, text)
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        for folder in self._folders:
            text = text.replace(f"{folder}/", f"{_HIDDEN}/")
        return _PATH.sub(_short_path, text)

    def install(self) -> None:
        """Redact every record that this process logs from now on, tracebacks included."""
        make, plain = logging.getLogRecordFactory(), logging.Formatter()

        def redacted(*args: object, **options: object) -> logging.LogRecord:
            record = make(*args, **options)
            # Arguments that do not fit are told where the record is written, as ever.
            with suppress(TypeError, ValueError):
                record.msg, record.args = self.of(record.getMessage()), None
            if record.exc_info:
                # Formatters take this text instead of making their own.
                record.exc_text = self.of(plain.formatException(record.exc_info))
            return record

        logging.setLogRecordFactory(redacted)


def _password(address: str) -> str:
    try:
        return urlsplit(address).password or ""
    except ValueError:
        return ""


def _folders(places: Iterable[Path]) -> list[str]:
    return sorted({str(place) for place in places if place != Path("/")}, key=len, reverse=True)


def _short_address(found: re.Match[str]) -> str:
    path = f"/{_HIDDEN}" if found["path"] not in ("", "/") else found["path"]
    return f"{found['scheme']}://{found['host']}{path}"


def _short_path(found: re.Match[str]) -> str:
    if not _is_root(found["root"]):
        # A route of the service, for instance.
        return found[0]
    return f"{_HIDDEN}/{found[0].rstrip('/').rpartition('/')[2]}"


@cache
def _is_root(name: str) -> bool:
    """Whether the machine's root folder has something of this name."""
    return Path("/", name).exists()
