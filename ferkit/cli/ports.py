"""Is a port free to listen on."""

import errno
import socket

from ferkit.errors import ConfigError

__all__ = ["require_free"]

# Below it only root may listen, and above the last one is none.
_FIRST_FOR_ALL, _LAST = 1024, 65535


def require_free(host: str, port: int, command: str) -> None:
    """Raise a `ConfigError` that says what to change if ``ferkit command`` cannot listen on `port` of `host`."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
    except (socket.gaierror, UnicodeError):
        raise ConfigError(
            f"host {host}: no address and no name of this machine; expected 127.0.0.1 (this machine alone), 0.0.0.0 "
            "(all who can reach it), or one of its addresses."
        ) from None
    with socket.socket(family, kind) as probe:
        # As the server will: a port whose last connection is still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise ConfigError(f"host {host}: this machine has no such address; expected one of its own.") from None
            other = 8000 if port < _FIRST_FOR_ALL else port + 1 if port < _LAST else port - 1
            raise ConfigError(
                f"port {port} of {host} cannot be used ({error.strerror}): try ferkit {command} --port {other}."
            ) from None
