"""Everything that a test run leaves behind lies in one temporary folder, never in the checkout or the home folder."""

import os
import tempfile
from pathlib import Path

from cli.workspace import Workspace

# Before anything imports ZenML or MLflow, which read the environment once.
_HOME = Path(tempfile.mkdtemp(prefix="ferkit-tests-"))
os.environ["FERKIT_HOME"] = str(_HOME)
for name in ("ZENML_CONFIG_PATH", "ZENML_LOCAL_STORES_PATH", "ZENML_STORE_URL", "MLFLOW_TRACKING_URI", "FERKIT_CACHE"):
    os.environ.pop(name, None)
Workspace.open().set_environment()
