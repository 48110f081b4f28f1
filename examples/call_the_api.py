"""Ask a running service (`ferkit serve`, `make serve`) what the faces of a picture show.

python examples/call_the_api.py [PICTURE] [--target ferplus] --url http://127.0.0.1:8000

Which targets there are and what their classes are called is up to the model that answers: GET /api/v1/model tells.
Nothing but the standard library: take it into a program that has no ferkit.
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

FACES = Path(__file__).parents[1] / "docs" / "images" / "faces.png"


def predict(url: str, picture: bytes, token: str | None, target: str | None = None) -> dict:
    """What the service answers for a picture, as its description at /openapi.json says; None: its first target."""
    headers = {"Content-Type": "application/octet-stream"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    query = f"?{urllib.parse.urlencode({'target': target})}" if target else ""
    request = urllib.request.Request(f"{url}/api/v1/predict{query}", picture, headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, nargs="?", default=FACES)
    parser.add_argument("--target", help="whose classes, if the model has several")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    arguments = parser.parse_args()
    try:
        response = predict(arguments.url, arguments.picture.read_bytes(), os.environ.get("TOKEN"), arguments.target)
    except urllib.error.HTTPError as error:
        # 429 and 503 say in Retry-After when to come again.
        sys.exit(json.load(error)["error"]["message"])
    except urllib.error.URLError as error:
        sys.exit(f"{arguments.url}: {error.reason}; is the service running? Start it: ferkit serve")
    print(f"{response['model']['name']}, {response['target']}")
    for face in response["pictures"][0]["faces"]:
        print(face["box"], face["emotion"], face["probabilities"][face["emotion"]])


if __name__ == "__main__":
    main()
