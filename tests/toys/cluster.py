"""A Kubernetes API over HTTP that keeps what it is given and runs what a test asks it to run, as processes.

It holds every object to the schemas of Kubernetes, as an API server does, and refuses what they do not allow. It is no
cluster: nothing is scheduled, no image is pulled.
"""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import kubernetes_validate
import yaml

from tests.toys.command import forked_script

ROOT = Path(__file__).parents[2]
JOBS = re.compile(r"^/apis/batch/v1/namespaces/[^/]+/jobs(?:/([^/?]+))?")
PODS = re.compile(r"^/api/v1/namespaces/[^/]+/pods(?:/([^/?]+))?")
# Of each kind that ZenML's client sends without saying what it is.
KINDS = {"namespaces": ("v1", "Namespace"), "serviceaccounts": ("v1", "ServiceAccount"), "jobs": ("batch/v1", "Job")}


def write_kubeconfig(folder, context, url):
    """The path of a configuration in `folder` with which `context` leads to `url`."""
    path = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "clusters": [{"name": context, "cluster": {"server": url}}],
        "users": [{"name": context, "user": {}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


class ToyCluster:
    """The jobs that were created, in order, and what was refused as not valid.

    Attributes
    ----------
    app
        The folder that commands are run in, as `/app` of the image: the code, and a `.zen`.
    jobs
        By name, as they came.
    runs
        Says of a job whether its container's command is run; others are complete at once.
    """

    def __init__(self, folder, runs, environment):
        self.folder = folder
        self.app = folder / "app"
        (self.app / ".zen").mkdir(parents=True)
        for package in ("ferkit", "materializers", "pipelines", "steps"):
            (self.app / package).symlink_to(ROOT / package)
        self.runs = runs
        self.environment = environment
        self.jobs = {}
        self.refused = []
        self._processes = {}
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def body(self):
                return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")

            def answer(self, content, status=200):
                sent = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def do_POST(self):
                kind = self.path.split("?")[0].rsplit("/", 1)[-1]
                self.answer(*cluster.create(kind, self.body()))

            def do_PATCH(self):
                name = JOBS.match(self.path)[1]
                annotations = cluster.jobs[name]["metadata"].setdefault("annotations", {})
                annotations.update(self.body().get("metadata", {}).get("annotations", {}))
                self.answer(cluster.job(name))

            def do_GET(self):
                if found := JOBS.match(self.path):
                    items = {"items": [cluster.job(name) for name in cluster.jobs]}
                    self.answer(cluster.job(found[1]) if found[1] else items)
                elif found := PODS.match(self.path):
                    # Whoever asks for a pod by its name is the orchestrator's own, and asks which job it belongs to.
                    pod = {"metadata": {"name": found[1], "labels": {"job-name": next(iter(cluster.jobs))}}}
                    self.answer(pod if found[1] else {"items": []})
                else:
                    self.answer({"message": "not found"}, 404)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        for process in self._processes.values():
            process.kill()
        self.server.shutdown()

    def kubeconfig(self, context):
        """The path of a configuration with which `context` leads here."""
        return write_kubeconfig(self.folder, context, self.url)

    def create(self, kind, manifest):
        """Keep an object; what is answered, and the status."""
        version, name = KINDS.get(kind, (manifest.get("apiVersion", ""), manifest.get("kind", "")))
        whole = {"apiVersion": version, "kind": name, **{key: value for key, value in manifest.items() if value}}
        # Every server fills this in, and ZenML's client reads it from the answer.
        for rule in whole.get("spec", {}).get("podFailurePolicy", {}).get("rules", []):
            for condition in rule.get("onPodConditions") or []:
                condition.setdefault("status", "True")
        try:
            kubernetes_validate.validate(whole, "1.34", strict=True)
        except kubernetes_validate.ValidationError as error:
            self.refused.append(f"{name} {'.'.join(map(str, error.path))}: {error.message}")
            return {"message": self.refused[-1], "reason": "Invalid"}, 422
        if name == "Job":
            label = whole["metadata"]["name"]
            self.jobs[label] = whole
            if self.runs(whole):
                self._processes[label] = self._start(label, whole["spec"]["template"]["spec"]["containers"][0])
        return whole, 201

    def job(self, name):
        """A job with its status."""
        process = self._processes.get(name)
        ended = process.poll() if process else 0
        conditions = []
        if ended is not None:
            kind = "Failed" if ended else "Complete"
            message = self.log(name)[-2000:] if ended else ""
            conditions = [{"type": kind, "status": "True", "message": message}]
        return {**self.jobs[name], "status": {"conditions": conditions}}

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _start(self, name, container):
        given = {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}
        python, module, *arguments = [*container["command"], *container["args"]]
        assert (python, module) == ("python", "-m"), container
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                forked_script("-m", *arguments, zenml=True),
                env={**self.environment, **given, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
                cwd=self.app, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
