"""In place of Ray's `setup_worker.py`, for a worker in a process that `tests.toys.fork_server` forks.

A worker that runs a step needs seconds for its imports, and a test cluster starts dozens of them.
`FORK_SERVER` names the socket.
"""

import json
import os
import runpy
import sys
from pathlib import Path

_CONTEXT, _OTHER = "--serialized-runtime-env-context=", "--language="
worker, *arguments = sys.argv[1:]
# Workers that are started before anybody wants one have none.
context = json.loads(next((each.removeprefix(_CONTEXT) for each in arguments if each.startswith(_CONTEXT)), "{}"))
for name, value in context.get("env_vars", {}).items():
    os.environ[name] = os.path.expandvars(value)
# Ray would hand it to a shell, before the worker: of a folder with code that is this, and nothing else.
if prefix := context.get("command_prefix", []):
    command, folder, _ = prefix
    assert command == "cd", prefix
    os.chdir(folder)
client = str(Path(__file__).with_name("fork_client.py"))
passed = [each for each in arguments if not each.startswith((_CONTEXT, _OTHER))]
sys.argv = [client, os.environ["FORK_SERVER"], worker, *passed]
runpy.run_path(client, run_name="__main__")
