"""ZenML, imported before it is known whose command will use it, as if that had imported it itself.

As it is imported it sets up logging and takes hold of the standard streams, those of the command. What it reads of the
environment then is the same for every folder of state.
"""

import importlib
import logging
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader

_MODULES = (
    "zenml.client", "zenml.pipelines.pipeline_definition", "zenml.zen_stores.sql_zen_store", "zenml.alerter",
    "zenml.artifact_stores.local_artifact_store", "zenml.orchestrators.local.local_orchestrator",
    "zenml.integrations.registry", "zenml.integrations.mlflow.experiment_trackers",
)  # fmt: skip


def import_early() -> None:
    """Import ZenML; whoever imports it later in this process, or in a copy of it, finds it ready."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    for name in _MODULES:
        importlib.import_module(name)
    # A command that does not import it has none of this.
    root.setLevel(level)
    root.handlers[:] = handlers
    logging.captureWarnings(capture=False)
    sys.meta_path.insert(0, _Ready(sys.modules.pop("zenml")))


class _Ready:
    """Finds the package, and does for the process that imports it what else the import does."""

    def __init__(self, package) -> None:
        self._package = package

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:
        if name != "zenml":
            return None
        sys.meta_path.remove(self)
        return spec_from_loader(name, self, is_package=True)

    def create_module(self, spec):
        return self._package

    def exec_module(self, package) -> None:
        logger = sys.modules["zenml.logger"]
        logger._stdout_wrapped = logger._stderr_wrapped = False
        logger.init_logging()
