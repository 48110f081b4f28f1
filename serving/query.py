"""The parameters of a question, from the query of its address."""

from typing import Self

from flask import Request
from pydantic import Field, ValidationError

from ferkit.labels import Target
from ferkit.settings import Settings
from serving.errors import ApiError

__all__ = ["ExplainQuery", "PredictQuery"]


class PredictQuery(Settings):
    """What is asked about pictures.

    Attributes
    ----------
    target
        The emotions of FER-2013, or those of FER+.
    single
        Ask the one network that learnt from the ensemble, which is quicker.
    detect
        Find the faces; false: each picture is a face and nothing else.
    """

    target: Target = "fer"
    single: bool = False
    detect: bool = True

    @classmethod
    def of(cls, request: Request) -> Self:
        """The parameters of `request`.

        Raises
        ------
        ApiError
            If one has a value that is not allowed, or is none that there is.
        """
        repeated = [name for name, values in request.args.lists() if len(values) > 1]
        if repeated:
            raise ApiError(400, "bad_parameter", f"{repeated[0][:100]}: given more than once.")
        try:
            return cls.model_validate_strings(request.args.to_dict())
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            known = f"no such parameter; there are {', '.join(cls.model_fields)}"
            reason = known if first["type"] == "extra_forbidden" else first["msg"]
            raise ApiError(400, "bad_parameter", f"{str(first['loc'][0])[:100]}: {reason}.") from None


class ExplainQuery(PredictQuery):
    """What is asked about one face.

    Attributes
    ----------
    face
        Number of the face, the largest is 0.
    emotion
        Which class to explain; none: the most probable.
    """

    face: int = Field(0, ge=0)
    emotion: str | None = None
