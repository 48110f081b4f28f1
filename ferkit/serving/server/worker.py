"""gunicorn's worker with threads, in which a connection takes a thread only once it has sent a request's head.

gunicorn's own gives a new connection a thread at once, and lets it keep that for as long as the client takes for its
first lines: as many connections as there are threads, of clients that send slowly, or nothing, or TLS to a port without
it, and nobody is answered any more. It also waits for clients to leave in the one thread that accepts connections. Here
that thread reads the head of each request and sees each client off, never waiting for a single one. Those who ask
whether the service lives or is ready have threads of their own, which the work of others cannot take.
"""

import errno
import selectors
import socket
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any

from gunicorn.config import Config
from gunicorn.workers.gthread import ThreadWorker

from ferkit.errors import ConfigError
from ferkit.serving.server.connection import LONGEST_HEAD, Connection
from ferkit.serving.settings import ServingSettings

__all__ = ["HeadWorker"]

_PROBE_THREADS = 2
# Of a client after its last answer: closed with bytes of it unread, a connection takes the answer away from it
# (RFC 9112, 9.6).
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 65_536
# Between two checks of the deadlines of connections.
_POLL_SECONDS = 0.5


class HeadWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn worker: a thread for each request, none for a connection whose request has not come yet."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        settings = ServingSettings.from_environment()
        self._head_seconds = settings.head_seconds
        self._body_seconds, self._upload_seconds = settings.body_seconds, settings.upload_seconds
        # Connections that have to send a head and those that have to be closed by the client, oldest first.
        self._sending_head: dict[Connection, None] = {}
        self._leaving: dict[Connection, None] = {}

    @classmethod
    def check_config(cls, cfg: Config, log: Any) -> None:
        """Refuse TLS, which this worker cannot do, with a `ConfigError`."""
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise ConfigError(
                "certfile, keyfile: TLS is for the proxy in front of the service; see docs/guides/serving.md."
            )

    def init_process(self) -> None:
        """Start the threads, then do what gunicorn does."""
        self._probes = ThreadPoolExecutor(_PROBE_THREADS, "ferkit-probe")
        super().init_process()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Let requests that are under way end, and wait for nobody else."""
        super().handle_exit(sig, frame)
        self.method_queue.defer(self._close_sending_head)

    def accept(self, listener: socket.socket) -> None:
        """Take a connection and wait for its first request."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._make_room()
            return
        self.nr_conns += 1
        if self.nr_conns >= self.worker_connections:
            # At the limit gunicorn accepts nobody any more, probes included.
            self._make_room()
        connection = Connection(self.cfg, client, address, listener.getsockname(), self._head_seconds)
        self._await_head(connection, self._head_seconds)

    def enqueue_req(self, conn: Connection) -> None:
        """Hand a connection whose request's head has come to a thread."""
        threads = self._probes if conn.is_probe else self.tpool
        future = threads.submit(self.handle, conn)
        future.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Answer; without an end to how long the client may take for its body, it would hold a thread for ever."""
        conn.expect_body(self._body_seconds, self._upload_seconds)
        return super().handle_request(req, conn)

    def finish_request(self, conn: Connection, fs: "Future[bool]") -> None:
        """Wait for the client's next request, or for it to leave."""
        conn.sock.settimeout(0)
        if self.alive and not fs.cancelled() and fs.exception() is None and fs.result():
            # What came behind the request that was answered.
            conn.head += conn.parser.unreader.take_buffered()
            self._await_head(conn, self.cfg.keepalive)
        else:
            self._see_off(conn)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Return in time for `murder_keepalived`."""
        super().wait_for_and_dispatch_events(min(timeout, _POLL_SECONDS))

    def murder_keepalived(self) -> None:
        """Close connections that sent no head, or did not leave, in time; gunicorn calls this after each round."""
        now = time.monotonic()
        for connection in [each for each in chain(self._sending_head, self._leaving) if each.deadline < now]:
            if connection.head and connection in self._sending_head:
                self._refuse(connection, "408 Request Timeout", "too_slow", "the head of the request came too slowly")
            else:
                self._close(connection)

    def _await_head(self, connection: Connection, seconds: float) -> None:
        connection.wait(seconds)
        if connection.has_head:
            self.enqueue_req(connection)
            return
        self._sending_head[connection] = None
        self.poller.register(connection.sock, selectors.EVENT_READ, partial(self._read_head, connection))

    def _read_head(self, connection: Connection, sock: socket.socket) -> None:
        # An event of the same round may have closed it.
        if connection not in self._sending_head:
            return
        came = _received(sock)
        if not came:
            self._close(connection)
            return
        if not connection.head:
            connection.wait(self._head_seconds)
        connection.head += came
        if connection.has_head:
            self._forget(connection)
            self.enqueue_req(connection)
        elif len(connection.head) >= LONGEST_HEAD:
            self._refuse(
                connection,
                "431 Request Header Fields Too Large",
                "head_too_large",
                f"a head of more than {LONGEST_HEAD:,} bytes",
            )

    def _refuse(self, connection: Connection, status: str, code: str, message: str) -> None:
        self._forget(connection)
        body = f'{{"error": {{"code": "{code}", "message": "{message}."}}}}\n'
        head = (
            f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        )
        with suppress(OSError):
            connection.sock.send(f"{head}\r\n\r\n{body}".encode())
        self._see_off(connection)

    def _see_off(self, connection: Connection) -> None:
        """Say that nothing more comes, and let the client close the connection first."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(connection)
            return
        connection.wait(_LINGER_SECONDS)
        self._leaving[connection] = None
        self.poller.register(connection.sock, selectors.EVENT_READ, partial(self._drain, connection))

    def _drain(self, connection: Connection, sock: socket.socket) -> None:
        if connection not in self._leaving:
            return
        came = _received(sock)
        connection.drained += len(came)
        if not came or connection.drained > _LINGER_BYTES:
            self._close(connection)

    def _make_room(self) -> None:
        """Close the connection that has been waited for longest."""
        first = next(chain(self._leaving, self._sending_head), None)
        if first is not None:
            self._close(first)

    def _close_sending_head(self) -> None:
        for connection in list(self._sending_head):
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._forget(connection)
        self.nr_conns -= 1
        connection.close()

    def _forget(self, connection: Connection) -> None:
        """Stop waiting for it."""
        for group in (self._sending_head, self._leaving):
            if connection in group:
                del group[connection]
                self.poller.unregister(connection.sock)


def _received(sock: socket.socket) -> bytes:
    """What came; nothing if the client is gone."""
    try:
        return sock.recv(LONGEST_HEAD)
    except OSError:
        return b""
