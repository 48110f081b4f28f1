"""The base of every section of a run configuration, and what reads stored ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError, field_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ferkit.errors import FerkitError

__all__ = ["Settings", "read_json"]

_Stored = TypeVar("_Stored", bound=BaseModel)


def read_json(file: Path, kind: type[_Stored], error: type[FerkitError], *, missing: str, damaged: str) -> _Stored:
    """What ferkit stored as JSON in `file`, checked.

    Parameters
    ----------
    kind
        What it is read as.
    error
        What is raised if that fails.
    missing
        What the error says after the name of a file that is not there.
    damaged
        What it says of one that cannot be read, or is of another kind; ``{problem}`` stands for what is wrong.

    Raises
    ------
    FerkitError
        Of the class `error`, if the file is missing or damaged.
    """
    try:
        return kind.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise error(f"{file}: {missing}") from None
    except ValidationError as invalid:
        first = invalid.errors()[0]
        where = ".".join(map(str, first["loc"]))
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        raise error(f"{file}: {damaged.format(problem=' '.join(problem.split()))}") from invalid
    except OSError as unreadable:
        raise error(f"{file}: {damaged.format(problem=unreadable.strerror)}") from unreadable


class Settings(BaseModel):
    """Strict and immutable: an unknown key, a misspelt choice or a string where a number belongs is an error.

    A path may begin with ``~``, the home folder, since no shell reads it here. Each module of ``ferkit`` declares the
    settings it reads beside the code that reads them; ``ferkit.config.run_config`` composes them into a run
    configuration.

    Attributes
    ----------
    MOVED
        Keys that stood in this section in an older version, and where below it they stand now: who writes one is told.
    """

    MOVED: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Its JSON schema, which says no more than that it is an object.

        ZenML keeps the schema of every parameter of every step several times with every run: a quarter of a megabyte.
        """
        return {"type": "object"}

    @field_validator("*", mode="after")
    @classmethod
    def _home(cls, value: Any) -> Any:
        if not isinstance(value, Path):
            return value
        try:
            return value.expanduser()
        except RuntimeError:
            raise ValueError(f"{value}: no home folder of {value.parts[0]} is known, write the whole path.") from None
