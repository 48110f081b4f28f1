"""What the files hold that a run configuration names: another content is another run, whatever the names say."""

from pathlib import Path

from ferkit.backbones.weights import content_of
from ferkit.config.run_config import RunConfig
from ferkit.errors import DataError
from ferkit.file_hashes import Sha256, file_sha256
from ferkit.settings import Settings
from ferkit.sources import fingerprint

__all__ = ["NamedFiles"]


class NamedFiles(Settings):
    """Hashes of the files that a configuration names; inputs of the pipeline, beside the configuration.

    Attributes
    ----------
    data
        Of everything that the source reads, see `ferkit.sources.fingerprint`.
    exclude
        Of the manifest that ``cleaning.exclude`` names, nothing if it names none.
    weights
        Of the weights file of each backbone by its label, see `ferkit.backbones.weights.content_of`.
    teachers
        Of the file of answers of each backbone that is taught by one, by its label.
    """

    data: str
    exclude: str
    weights: dict[str, str]
    teachers: dict[str, str]

    @classmethod
    def of(cls, config: RunConfig, sha256: Sha256 = file_sha256, *, trained_here: bool = True) -> "NamedFiles":
        """Look at every file that `config` names.

        Parameters
        ----------
        sha256
            Hashes a file; a `ferkit.file_hashes.FileHashes` reads none twice.
        trained_here
            Whether the networks start from their weights files on this machine; else nobody reads those.

        Raises
        ------
        DataError, WeightsError
            If one is missing or cannot be read.
        """
        return cls(
            data=fingerprint(config.data, sha256),
            exclude=_hash("cleaning.exclude", config.cleaning.exclude, sha256) if config.cleaning.exclude else "",
            weights={entry.label: content_of(entry, sha256) for entry in config.backbones if trained_here},
            teachers={
                entry.label: _hash(f"backbones.{entry.label}.teacher", entry.teacher_file, sha256)
                for entry in config.backbones
                if entry.teacher_file and trained_here
            },
        )


def _hash(setting: str, file: Path, sha256: Sha256) -> str:
    """The hash of the file that `setting` names."""
    try:
        return sha256(file)
    except OSError as error:
        raise DataError(f"{setting} {file}: cannot be read ({error.strerror}).") from error
