"""`ferkit predict` of many pictures as a process: interrupted, killed, and gone on with."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ferkit.backbones import BackboneSettings, build_network
from ferkit.cli.commands.predict import predict
from ferkit.errors import FerkitError
from ferkit.models.face_model import FaceModel
from tests.inference.test_resumable_table import save
from tests.toys.command import forked, forked_script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """300 faces, a network, and the table that an undisturbed run makes of them."""
    root = tmp_path_factory.mktemp("batch")
    for index in range(300):
        save(root / "faces" / f"{index:03d}.png", index)
    (root / "faces" / "003.png").write_bytes(b"")
    network = build_network(BackboneSettings(name="fernet", width=4, hidden=()), {"fer": 7}, seed=1)
    FaceModel.save(network, "net", "fer", root / "net.keras")
    (root / "list.csv").write_text("file\n" + "".join(f"faces/{index:03d}.png\n" for index in range(300)))
    done = start(root, "whole.parquet")
    assert done.wait(timeout=300) == 1
    assert done.stderr.read() == "ferkit: faces/003.png: an empty file, expected a picture.\n"
    assert done.stdout.read() == "whole.parquet: 299 faces in 299 pictures\n"
    return root


def start(root, to, *options, script=None):
    """The command as a process; `script` runs in place of the one line that calls it."""
    asked = ("predict", "--list", "list.csv", "--no-detect", "--model", "net.keras", "--to", to, *options)
    arguments = forked_script(script, *asked) if script else forked(*asked)
    return subprocess.Popen(
        arguments,
        cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def held_at(picture):
    """Put a pipe that nobody writes to where a picture is: whoever reads it waits.

    It has to be named: of a folder it is passed over.
    """
    content, times = picture.read_bytes(), picture.stat()
    picture.unlink()
    os.mkfifo(picture)

    def release():
        picture.unlink()
        picture.write_bytes(content)
        os.utime(picture, ns=(times.st_atime_ns, times.st_mtime_ns))

    return release


def test_a_process_that_is_killed_twice_goes_on_twice(work):
    to = work / "killed.parquet"
    parts = work / "killed.parquet.partial"
    releases = [held_at(work / "faces" / f"{index}.png") for index in (140, 290)]
    first = start(work, to.name)
    wait_for(lambda: list(parts.glob("part-*.parquet")), first)
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=300) == 130
    interrupted, stopped = first.stderr.read().splitlines()
    assert interrupted == "ferkit: faces/003.png: an empty file, expected a picture."
    # Whole batches of 32; how many of them it had seen depends on the machine.
    progress = re.fullmatch(rf"ferkit: stopped; {to.name} has (\d+) pictures.*, the same command goes on\.", stopped)
    assert int(progress[1]) < 140
    count = len(list(parts.glob("part-*.parquet")))
    releases[0]()

    second = start(work, to.name)
    wait_for(lambda: len(list(parts.glob("part-*.parquet"))) > count, second)
    second.kill()
    assert second.wait(timeout=300) == -signal.SIGKILL
    assert second.stderr.read().startswith(f"ferkit: {to.name}: goes on after {progress[1]} pictures")
    assert not to.exists()
    releases[1]()

    third = start(work, to.name)
    assert third.wait(timeout=300) == 1
    [goes_on] = third.stderr.read().splitlines()
    assert int(re.search(r"after (\d+) pictures", goes_on)[1]) > int(progress[1])
    assert third.stdout.read() == f"{to.name}: 299 faces in 299 pictures\n"
    assert to.read_bytes() == (work / "whole.parquet").read_bytes()
    assert not parts.exists()


# What TensorFlow does with an interruption while it traces a network for the first batch of another size.
SWALLOWS = """
import os, signal, time
import ferkit.models.face_model
ask = ferkit.models.face_model.forward
def forward(*given):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        return ask(*given)
ferkit.models.face_model.forward = forward
from ferkit.cli.app import main
main()
"""


def test_an_interruption_that_native_code_swallows_is_not_lost(work):
    (work / "swallows.py").write_text(SWALLOWS)
    done = start(work, "lost.parquet", script=work / "swallows.py")
    assert done.wait(timeout=300) == 130
    assert "stopped; lost.parquet has 31 pictures" in done.stderr.read()


def wait_for(condition, process):
    end = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restart": True}, "--restart begins a table anew: give --to FILE.parquet"),
        ({"model": "models:/ferkit"}, "models:/ferkit: no such model, expected vote, default, tiny, FILE.keras"),
        (
            {"model": "nowhere"},
            "nowhere: no such model, expected vote, default, tiny, FILE.keras, a folder",
        ),
        ({"list_file": Path("gone.txt")}, "gone.txt: no such file, expected a list of pictures"),
    ],
)
def test_what_cannot_be_done_is_said_first(tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FerkitError, match=f"^{message}"):
        predict(["a.png"], **options)


def test_importing_the_command_imports_no_arrow():
    code = (
        "import sys, ferkit.cli.commands.predict; "
        "print([n for n in ('pyarrow.parquet', 'keras', 'cv2', 'PIL') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
