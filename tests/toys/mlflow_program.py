"""`mlflow` as a script whose `server` is one process: else uvicorn would run in another and import everything again."""

import os
import sys

import mlflow.server
import uvicorn
from mlflow.cli import cli


def become(command: list[str], *, extra_env: dict[str, str], **_: object) -> None:
    """Take the place of the process that MLflow would start."""
    os.environ.update(extra_env)
    uvicorn.main(command[command.index("uvicorn") + 1 :])


mlflow.server._exec_cmd = become
sys.exit(cli())
