"""Run as ``fork_client.py SOCKET ARGUMENTS``: stands for a process that `tests.toys.fork_server` forks.

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
request = {"arguments": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}  # noqa: PTH109
content = json.dumps(request).encode()
socket.send_fds(connection, [struct.pack("!Q", len(content))], [0, 1, 2])
connection.sendall(content)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _frame: connection.send(bytes([number])))
status = struct.unpack("!i", connection.recv(4, socket.MSG_WAITALL))[0]
if os.WIFSIGNALED(status):
    signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
    os.kill(os.getpid(), os.WTERMSIG(status))
os._exit(os.waitstatus_to_exitcode(status))
