"""What every peer that answers over HTTP shares: a picture in, its faces out.

    python RUNNER.py PORT

``POST /crop`` has a face of 48x48 pixels as its body and nothing else in it, ``POST /picture`` a picture in which the
peer finds the face itself. It runs in the environment of its peer: OpenCV and the standard library are all it takes.
"""

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

# A picture (H, W, 3) uint8, blue first, to what its faces show, one dictionary a face.
Predict = Callable[[Any], list[dict[str, Any]]]


def serve(crop: Predict, picture: Predict) -> None:
    """Answer until the process is ended; one picture at a time, as these packages are not made for threads."""
    lock = threading.Lock()
    functions = {"/crop": crop, "/picture": picture}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Otherwise an answer waits for the client's acknowledgement of its head.
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            self._send({"status": "ok"})

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
            with lock:
                faces = functions[self.path](pixels)
            self._send({"faces": faces})

        def _send(self, value: dict[str, Any]) -> None:
            body = json.dumps(value, default=float).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
