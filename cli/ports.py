"""Is a port free to listen on."""

import socket

from ferkit.errors import ConfigError

__all__ = ["require_free"]


def require_free(host: str, port: int, command: str) -> None:
    """Raise a `ConfigError` that names another port for ``ferkit command`` if `port` cannot be listened on."""
    with socket.socket() as probe:
        # As the server will: a port whose last connection is still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"port {port} of {host} cannot be used ({error.strerror}): try ferkit {command} --port {port + 1}."
            ) from None
