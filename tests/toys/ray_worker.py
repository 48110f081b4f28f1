"""In place of Ray's `default_worker.py`: the same in a process that `tests.toys.fork_server` forks.

A worker that runs a step needs seconds for its imports, and a test cluster starts dozens of them.
`FORK_SERVER` names the socket.
"""

import importlib.util
import os
import sys
from pathlib import Path

# Beside this file lies a toy of the name.
del sys.path[0]
ray = Path(importlib.util.find_spec("ray").origin).parent
client = [sys.executable, "-S", "-E", str(Path(__file__).with_name("fork_client.py")), os.environ["FORK_SERVER"]]
os.execv(client[0], [*client, str(ray / "_private" / "workers" / "default_worker.py"), *sys.argv[1:]])
