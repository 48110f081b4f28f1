"""Errors of the API, with their status codes."""

from ferkit.errors import FerkitError

__all__ = ["ApiError", "BusyError", "NotReadyError"]


class ApiError(FerkitError):
    """A request that is refused; its answer is ``{"error": {"code": ..., "message": ...}}``.

    Parameters
    ----------
    status
        Status code of HTTP.
    code
        One word that programs can compare; `ferkit.serving.openapi` lists all of them.
    message
        What was expected, what came, what to do.
    headers
        Further headers of the answer.
    """

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers or {}


class BusyError(ApiError):
    """More work than the service takes on at once: 503."""

    def __init__(self, message: str) -> None:
        super().__init__(503, "busy", f"{message}; try again.", {"Retry-After": "1"})


class NotReadyError(ApiError):
    """No model has been read yet: 503."""

    def __init__(self, message: str) -> None:
        super().__init__(503, "not_ready", message, {"Retry-After": "2"})
