"""What the log of the service does not tell."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from ferkit.serving.redaction import Redaction
from tests.toys.server import ROOT

ENVIRONMENT = {
    "MLFLOW_TRACKING_URI": "postgresql://ann:p%40ss%2Fword@db.example:5432/mlflow",
    "MLFLOW_TRACKING_TOKEN": "eyJhbGciOi",
}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("GET https://ann:secret@models.example:5000/api/2.0", "GET https://models.example:5000/..."),
        ("https://ann:se/cr@t@models.example/", "https://models.example/"),
        ("sqlite:////srv/state/mlflow.db", "sqlite:///..."),
        ('user "ann", password "p@ss/word"', 'user "ann", password "..."'),
        ("Bearer eyJhbGciOi", "Bearer ..."),
        ("[Errno 2] No such file: '/usr/lib/models/b.npz'", "[Errno 2] No such file: '.../b.npz'"),
        (f"{Path.home()}/a folder/b.npz: sha256", ".../a folder/b.npz: sha256"),
        ("POST /api/v1/predict failed", "POST /api/v1/predict failed"),
        ("toy 3 answers (ready after 1.2 s)", "toy 3 answers (ready after 1.2 s)"),
    ],
)
def test_credentials_and_folders_are_taken_out(line, expected):
    assert Redaction(ENVIRONMENT).of(line) == expected


def test_every_logger_of_the_process_is_held_to_it():
    program = """
import logging
from ferkit.serving.redaction import Redaction
logging.basicConfig(format="%(message)s")
Redaction({}).install()
logging.getLogger("some.library").warning("retry of %s", "https://ann:secret@models.example/")
logging.getLogger("some.library").warning("wrong %s", "one", "two")
try:
    open("/usr/lib/none/secret.txt")
except OSError:
    logging.getLogger("ferkit.serving").exception("broken")
"""
    factory = logging.getLogRecordFactory()
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "retry of https://models.example/" in run.stderr
    assert "FileNotFoundError: [Errno 2] No such file or directory: '.../secret.txt'" in run.stderr
    assert "ann" not in run.stderr
    assert logging.getLogRecordFactory() is factory
