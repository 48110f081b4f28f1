"""A network in a .keras file that may be anybody's, read without running code that it holds."""

import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferkit.backbones.network import PREPROCESSED
from ferkit.data.input_card import InputCard
from ferkit.errors import DataError

if TYPE_CHECKING:
    import keras

__all__ = ["load_network", "stored_input"]

_SHOWN = 160


def load_network(file: Path) -> "keras.Model":
    """Read a .keras file in Keras' safe mode, in which none of the code that it may hold is run.

    Raises
    ------
    DataError
        If it is damaged, or has layers that are not Keras' own or ferkit's.
    """
    import keras

    # Registers the layers that a saved network may contain.
    import ferkit.backbones.layers  # noqa: F401

    try:
        return keras.models.load_model(file, compile=False, safe_mode=True)
    # What Keras raises depends on the layer, and on where the file is damaged.
    except Exception as error:
        raise DataError(f"{file}: {_unreadable(file, error)}") from error


def stored_input(file: Path) -> InputCard:
    """The pictures that a network in a .keras file takes, without loading it: 48x48 grey if ferkit did not make it.

    What others made is given those, whatever it takes; `ferkit.models.network_shape` says the rest.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            layers = list(_parts(json.loads(archive.read("config.json"))))
        given = next(each["config"]["batch_shape"] for each in layers if each["class_name"] == "InputLayer")
        made_here = PREPROCESSED in {each["config"].get("name") for each in layers}
        return InputCard.of_shape(given[1:]) if made_here else InputCard()
    except (DataError, OSError, LookupError, StopIteration, TypeError, ValueError, zipfile.BadZipFile):
        return InputCard()


def _unreadable(file: Path, error: Exception) -> str:
    """Why Keras cannot read `file`, from what is written in it, and else from what Keras says."""
    import keras

    replace = "Replace them by layers of Keras, and save it anew."
    try:
        with zipfile.ZipFile(file) as archive:
            parts = list(_parts(json.loads(archive.read("config.json"))))
    except (OSError, LookupError, ValueError, zipfile.BadZipFile):
        parts = []
    code = sorted({str(part["config"].get("name")) for part in parts if part["class_name"] == "Lambda"})
    if code:
        return f"has Lambda layers ({_listed(code)}), Python code within a file, which is never run. {replace}"
    known = keras.saving.get_custom_objects()
    unknown = sorted({str(part["class_name"]) for part in parts if _is_foreign(part, known)})
    if unknown:
        return f"has layers that Keras does not know ({_listed(unknown)}), expected Keras' own. {replace}"
    return f"Keras cannot read it ({' '.join(str(error).split())[:_SHOWN]}); save it anew with Keras 3."


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """Every object that a network's configuration describes."""
    if isinstance(config, dict):
        if "class_name" in config and isinstance(config.get("config"), dict):
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for each in config:
            yield from _parts(each)


def _is_foreign(part: dict[str, Any], known: dict[str, Any]) -> bool:
    own = str(part.get("module") or "").split(".")[0] in ("keras", "builtins")
    return "module" in part and not own and part.get("registered_name") not in known


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"
