"""Downloads: from a real server on this machine, and from none."""

import io
import os
import resource
import signal
import socket
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ferkit.errors import DataError
from ferkit.sources import download as module
from ferkit.sources.download import FERPLUS_URL, download

_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
_VOTES = (_HEADER + "Training,fer.png,4,0,0,1,3,2,0,0,0,0\n" * 35_887).encode()
_PICTURES = ("emotion,pixels,Usage\n" + "0,70 80 82,Training\n" * 35_887).encode()


class _Server(ThreadingHTTPServer):
    """Answers GET with `files`, and what kagglehub asks with the data set `archive`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.archive: bytes | None = None
        self.asked: list[str] = []
        self.cut = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _answer(self, content: bytes | None, kind: str = "application/octet-stream") -> None:
        self.server.asked.append(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) - self.server.cut])

    def do_GET(self) -> None:
        self._answer(self.server.files.get(self.path))

    def do_HEAD(self) -> None:
        self.send_error(404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/GetDataset"):
            self._answer(b'{"currentVersionNumber": 1}', "application/json")
        else:
            self._answer(self.server.archive)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@pytest.fixture(autouse=True)
def no_account(tmp_path_factory, monkeypatch, closed_port) -> None:
    """Nobody's Kaggle account is used, and nothing leaves this machine."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr(module, "_KAGGLE_API", f"http://127.0.0.1:{closed_port}")
    for name in list(os.environ):
        if name.startswith("KAGGLE") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def with_pictures(tmp_path: Path) -> Path:
    """A folder that has fer2013.csv, so that nothing is asked of Kaggle."""
    (tmp_path / "fer2013.csv").write_bytes(b"there already")
    return tmp_path


@pytest.fixture(scope="module")
def user_agent() -> str:
    """What kagglehub calls itself.

    It looks through the call stack for that, at each request and with the source of every module that is imported: for
    seconds, in a process that has imported as many as one of these tests.
    """
    from kagglehub import clients

    return clients.get_user_agent()


@pytest.fixture
def kaggle(server, monkeypatch, user_agent) -> _Server:
    """The server in the place of Kaggle; kagglehub itself is the real one."""
    from kagglehub import clients
    from kagglesdk import kaggle_env

    monkeypatch.setattr(clients, "get_user_agent", lambda: user_agent)
    monkeypatch.setattr(module, "_KAGGLE_API", server.url)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, server.url)
    server.files["/votes.csv"] = _VOTES
    return server


def _zip(**files: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name.replace("__", "/").replace("_csv", ".csv"), content)
    return archive.getvalue()


def _fails(to: Path, url: str) -> str:
    with pytest.raises(DataError) as caught:
        download(to, url)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_votes_come_from_a_server_and_pictures_stay_as_they_are(server, with_pictures):
    server.files["/votes.csv"] = _VOTES
    paths = download(with_pictures, f"{server.url}/votes.csv")
    assert paths == [with_pictures / "fer2013.csv", with_pictures / "fer2013new.csv"]
    assert paths[0].read_bytes() == b"there already"
    assert paths[1].read_bytes() == _VOTES
    assert paths[1].stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in with_pictures.iterdir()) == ["fer2013.csv", "fer2013new.csv"]


def test_what_is_there_is_not_fetched_again(server, with_pictures):
    server.files["/votes.csv"] = _VOTES
    for _ in range(2):
        download(with_pictures, f"{server.url}/votes.csv")
    assert server.asked == ["/votes.csv"]


def test_pictures_come_through_kagglehub(kaggle, tmp_path):
    kaggle.archive = _zip(fer2013__fer2013_csv=_PICTURES, README_csv=b"x")
    to = tmp_path / "new" / "data"
    paths = download(to, f"{kaggle.url}/votes.csv")
    assert [path.read_bytes() for path in paths] == [_PICTURES, _VOTES]
    # Neither a second copy of 300 MB nor anything in the home folder stays behind.
    assert sorted(path.name for path in to.iterdir()) == ["fer2013.csv", "fer2013new.csv"]
    assert not (Path(os.environ["HOME"]) / ".cache").exists()
    assert "KAGGLEHUB_CACHE" not in os.environ


def test_a_cache_of_ones_own_is_used_and_kept(kaggle, tmp_path, monkeypatch):
    kaggle.archive = _zip(fer2013_csv=_PICTURES)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "mine"))
    download(tmp_path / "data", f"{kaggle.url}/votes.csv")
    assert [path.read_bytes() for path in (tmp_path / "mine").rglob("fer2013.csv")] == [_PICTURES]
    assert os.environ["KAGGLEHUB_CACHE"] == str(tmp_path / "mine")


def test_kaggle_without_the_data_set(kaggle, tmp_path):
    message = _fails(tmp_path, f"{kaggle.url}/votes.csv")
    assert message.startswith(
        "cannot be fetched here: fer2013.csv from https://www.kaggle.com/datasets/deadskull7/fer2013 (Kaggle: "
    )
    assert message.endswith(f"Fetch by hand and put into {tmp_path}.")
    # What could be had is kept.
    assert (tmp_path / "fer2013new.csv").read_bytes() == _VOTES


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"other_csv": b"x"}, "(the data set has no fer2013.csv)"),
        ({"fer2013_csv": _PICTURES[:-20]}, "(35,886 rows came, expected 35,887)"),
        ({"fer2013_csv": b"a,b\n" * 35_888}, "(another file came: its header is 'a,b')"),
    ],
)
def test_kaggle_with_another_file(kaggle, tmp_path, files, reason):
    kaggle.archive = _zip(**files)
    assert reason in _fails(tmp_path, f"{kaggle.url}/votes.csv")
    assert not (tmp_path / "fer2013.csv").exists()


def test_without_a_network_one_line_says_what_to_fetch_and_where_to_put_it(tmp_path, closed_port):
    message = _fails(tmp_path / "data", f"http://127.0.0.1:{closed_port}/fer2013new.csv")
    assert message == (
        "cannot be fetched here: fer2013.csv from https://www.kaggle.com/datasets/deadskull7/fer2013 "
        f"([Errno 111] Connection refused) and fer2013new.csv from http://127.0.0.1:{closed_port}/fer2013new.csv "
        f"([Errno 111] Connection refused). Fetch by hand and put into {tmp_path / 'data'}."
    )
    assert list((tmp_path / "data").iterdir()) == []


def test_a_server_that_says_nothing_is_given_up(with_pictures, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        message = _fails(with_pictures, f"http://127.0.0.1:{silent.getsockname()[1]}/votes.csv")
    assert "(timed out)" in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_VOTES[: len(_VOTES) // 2], "rows came, expected 35,887)"),
        (_VOTES + b"Training,,1,0,0,0,0,0,0,0,0,0\n", "(35,888 rows came, expected 35,887)"),
        (b"<html><body>Sign in</body></html>", "(another file came: its header is '<html><body>Sign in"),
        (_VOTES.replace(b"contempt,", b"", 1), "(another file came: its header is 'Usage,Image name,neutral"),
        (b"", "(another file came: its header is '')"),
        (None, "(HTTP Error 404: Not Found)"),
    ],
    ids=["half", "one row more", "page", "header", "empty", "missing"],
)
def test_another_file_is_not_kept(server, with_pictures, content, reason):
    if content is not None:
        server.files["/votes.csv"] = content
    assert reason in _fails(with_pictures, f"{server.url}/votes.csv")
    assert [path.name for path in with_pictures.iterdir()] == ["fer2013.csv"]


def test_a_connection_that_breaks_in_the_last_row_is_noticed(server, with_pictures):
    server.files["/votes.csv"], server.cut = _VOTES, 3
    message = _fails(with_pictures, f"{server.url}/votes.csv")
    assert f"({len(_VOTES) - 3:,} of {len(_VOTES):,} bytes came)" in message
    assert [path.name for path in with_pictures.iterdir()] == ["fer2013.csv"]


def test_lines_may_end_as_on_windows_and_the_last_not_at_all(server, with_pictures):
    content = b"\xef\xbb\xbf" + _VOTES.replace(b"\n", b"\r\n").removesuffix(b"\r\n")
    server.files["/votes.csv"] = content
    assert download(with_pictures, f"{server.url}/votes.csv")[1].read_bytes() == content


def test_a_full_disk_leaves_nothing_behind(server, with_pictures):
    server.files["/votes.csv"] = _VOTES
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # The nearest to a full disk that needs no rights: no file may grow over 100 kB.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
        message = _fails(with_pictures, f"{server.url}/votes.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert message.endswith("fer2013new.csv: cannot be written (File too large); nothing half-written was kept.")
    assert [path.name for path in with_pictures.iterdir()] == ["fer2013.csv"]


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "data").write_text("x")
    assert "no folder can be made there (File exists)" in _fails(tmp_path / "data", FERPLUS_URL)


def test_an_address_that_is_none(with_pictures):
    assert "unknown url type" in _fails(with_pictures, "fer2013new.csv")
