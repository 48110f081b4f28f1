"""Where a checkout keeps its state: the ZenML store, MLflow's database and artifacts, checkpoints, weights.

All of it lies in ``.ferkit/`` of the checkout, or in ``FERKIT_HOME``. A ZenML or MLflow server that the environment
names is respected.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ferkit.errors import ConfigError
from ferkit.tensorflow_environment import TENSORFLOW

if TYPE_CHECKING:
    from stacks.registering import Change
    from stacks.settings import StackSettings

__all__ = ["CHECKOUT", "STACK", "Workspace"]

CHECKOUT = Path(__file__).resolve().parents[1]
STACK = "ferkit"


@dataclass(frozen=True)
class Workspace:
    """The folder of all state, and MLflow's store: a file in it unless the environment named another."""

    root: Path
    tracking_uri: str

    @classmethod
    def open(cls) -> "Workspace":
        """The workspace that the environment names, else the checkout's own; made if missing."""
        root = Path(os.environ.get("FERKIT_HOME") or CHECKOUT / ".ferkit").resolve()
        root.mkdir(parents=True, exist_ok=True)
        # Read once: ZenML changes the variable with every step.
        return cls(root, os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / 'mlflow.db'}")

    @property
    def checkpoints(self) -> Path:
        """Where trainings keep what they go on from."""
        return Path(os.environ.get("FERKIT_CHECKPOINTS") or self.root / "checkpoints")

    def set_environment(self) -> None:
        """Point ZenML, MLflow, Keras and Great Expectations here; to be called before any of them is imported."""
        defaults = {
            "ZENML_CONFIG_PATH": self.root / "zenml",
            "ZENML_LOCAL_STORES_PATH": self.root / "zenml" / "local_stores",
            "ZENML_ANALYTICS_OPT_IN": "false",
            "ZENML_ENABLE_RICH_TRACEBACK": "false",
            "AUTO_OPEN_DASHBOARD": "false",
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_LOGGING_LEVEL": "WARNING",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "FERKIT_CHECKPOINTS": self.checkpoints,
            "FERKIT_CACHE": self.root / "weights",
            "GX_ANALYTICS_ENABLED": "false",
            **TENSORFLOW,
            "MPLCONFIGDIR": self.root / "matplotlib",
        }
        for name, value in defaults.items():
            os.environ.setdefault(name, str(value))

    def activate_stack(self) -> None:
        """Register the local stack, or bring it up to date, and make it the active one."""
        from zenml.client import Client

        self._apply_own()
        Client().activate_stack(STACK)

    def apply(self, stack: "StackSettings") -> "list[Change]":
        """Register `stack`; what it leaves out are the artifact store and the tracker of this workspace.

        Raises
        ------
        ConfigError
            As `stacks.registering.apply`, and if the stack has a name that is taken.
        """
        # It imports numpy and pandas, which a command that only needs the environment does not wait for.
        from stacks.registering import apply

        if stack.name in (STACK, "default"):
            raise ConfigError(f"stack {stack.name}: a stack of this name is always there, choose another name.")
        self._apply_own()
        return apply(stack, {"artifact_store": STACK, "experiment_tracker": STACK})

    def _apply_own(self) -> None:
        """The stack of this workspace: a checkout may move, and another server may be named."""
        from zenml.utils.source_utils import set_custom_source_root

        from stacks.registering import apply
        from stacks.settings import ComponentSettings, StackSettings

        # ZenML loads steps by their path below this; a console script's own folder would be taken otherwise.
        set_custom_source_root(str(CHECKOUT))
        artifacts = self.root / "artifacts"
        artifacts.mkdir(exist_ok=True)
        apply(
            StackSettings(
                name=STACK,
                orchestrator=ComponentSettings(flavor="local"),
                artifact_store=ComponentSettings(flavor="local", configuration={"path": str(artifacts)}),
                experiment_tracker=ComponentSettings(flavor="mlflow", configuration=self._tracker()),
            )
        )

    def _tracker(self) -> dict[str, str]:
        settings = {"tracking_uri": self.tracking_uri}
        if self.tracking_uri.startswith("http"):
            user, password = (os.environ.get(f"MLFLOW_TRACKING_{part}") for part in ("USERNAME", "PASSWORD"))
            if user and password:
                settings |= {"tracking_username": user, "tracking_password": password}
            else:
                # ZenML refuses a server without credentials; one that asks for none ignores the token.
                settings["tracking_token"] = os.environ.get("MLFLOW_TRACKING_TOKEN") or "none"
        return settings
