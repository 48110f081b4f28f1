"""Run as ``fork_client.py SOCKET SCRIPT ARGUMENTS``: stands for a process that `tests.toys.fork_server` forks.

Without a script, where that is empty, it is the `ferkit` command.
That one has the streams, the folder and the environment of this one, which hands on signals and ends as it does.
"""

import json
import os
import signal
import socket
import struct
import sys

connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
request = {
    "script": sys.argv[2], "arguments": sys.argv[3:], "folder": os.getcwd(), "environment": dict(os.environ),  # noqa: PTH109
}  # fmt: skip
content = json.dumps(request).encode()
socket.send_fds(connection, [struct.pack("!Q", len(content))], [0, 1, 2])
connection.sendall(content)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _frame: connection.send(bytes([number])))
status = struct.unpack("!i", connection.recv(4, socket.MSG_WAITALL))[0]
if os.WIFSIGNALED(status):
    if os.WTERMSIG(status) in (signal.SIGINT, signal.SIGTERM):
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
    os.kill(os.getpid(), os.WTERMSIG(status))
os._exit(os.waitstatus_to_exitcode(status))
