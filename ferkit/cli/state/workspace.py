"""Where a checkout keeps its state: the ZenML store, MLflow's database and artifacts, checkpoints, weights.

All of it lies in ``.ferkit/`` of the checkout, or in ``FERKIT_HOME``. A ZenML or MLflow server that the environment
names is respected.
"""

import errno
import os
import sys
import tempfile
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from yaml import YAMLError

from ferkit.cli.state.database_folder import database_folder, make_database_folder
from ferkit.cli.state.one_at_a_time import one_at_a_time
from ferkit.cli.state.relocation import follow, keep_cached
from ferkit.cli.state.store_checks import StoreError, require_store
from ferkit.environment import TENSORFLOW
from ferkit.errors import ConfigError

if TYPE_CHECKING:
    from ferkit.file_hashes import FileHashes
    from ferkit.stacks.register import Change
    from ferkit.stacks.settings import StackSettings

__all__ = ["CHECKOUT", "STACK", "Workspace", "require_checkout"]

# The folder that holds the package: of a checkout, or the site-packages of an installation.
CHECKOUT = Path(__file__).resolve().parents[3]
STACK = "ferkit"


def is_checkout() -> bool:
    """Whether ferkit runs in a checkout: the pipeline is beside the package."""
    return (CHECKOUT / "pipelines" / "train.py").is_file()


def require_checkout() -> None:
    """Make the pipeline importable.

    Raises
    ------
    ConfigError
        If ferkit was installed as a package, which leaves the pipeline out.
    """
    if not is_checkout():
        raise ConfigError("the pipeline is no part of an installed ferkit: type this command in a checkout.")
    if str(CHECKOUT) not in sys.path:
        sys.path.insert(0, str(CHECKOUT))


@dataclass(frozen=True)
class Workspace:
    """The folder of all state, and MLflow's store: a file in it unless the environment named another."""

    root: Path
    tracking_uri: str

    @classmethod
    def named(cls) -> "Workspace":
        """The workspace that the environment names, else the checkout's own; it need not be there."""
        root = _in_home(
            "FERKIT_HOME", os.environ.get("FERKIT_HOME") or str((CHECKOUT if is_checkout() else Path.cwd()) / ".ferkit")
        ).resolve()
        # Read once: ZenML changes the variable with every step.
        return cls(root, os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{database_folder(root) / 'mlflow.db'}")

    @classmethod
    def open(cls) -> "Workspace":
        """The workspace that the environment names, else the checkout's own; made if missing.

        Raises
        ------
        ConfigError
            If it cannot be made or nothing can be written there, or it was moved and does not let itself be changed.
        """
        workspace = cls.named()
        try:
            workspace.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=workspace.root):
                pass
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ConfigError(
                f"{workspace.root}: the folder of ferkit's state cannot be written ({error.strerror}); change its "
                "permissions, or name another one with FERKIT_HOME."
            ) from error
        with workspace.making():
            before = follow(workspace.root)
        if before:
            print(  # noqa: T201
                f"ferkit: this state was moved or copied from {before}; what it holds leads to {workspace.root} now.",
                file=sys.stderr,
            )
        return workspace

    @property
    def native_log(self) -> Path:
        """File for messages of native libraries, in the folder of state; ``/dev/null`` if that cannot be written."""
        file = self.root / "native.log"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            file.open("ab").close()
        except OSError:
            return Path(os.devnull)
        return file

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints from which trainings go on."""
        return Path(os.environ.get("FERKIT_CHECKPOINTS") or self.root / "checkpoints")

    def file_hashes(self) -> "FileHashes":
        """Hashes of files of any folder, remembered here."""
        from ferkit.file_hashes import FileHashes

        return FileHashes(self.root / "file_hashes.db")

    def environment(self) -> dict[str, str]:
        """The variables that point ZenML, MLflow, Keras and Great Expectations here."""
        variables = {
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
        if (databases := database_folder(self.root)) != self.root:
            # Where ZenML would have put it.
            store = databases / "zenml" / "local_stores" / "default_zen_store" / "zenml.db"
            variables["ZENML_STORE_URL"] = f"sqlite:///{store}"
        return {name: str(value) for name, value in variables.items()}

    def set_environment(self) -> None:
        """Set the variables that are not set; to be called before any of those libraries is imported."""
        make_database_folder(self.root)
        for name in ("FERKIT_WEIGHTS", "FERKIT_CACHE", "FERKIT_CHECKPOINTS"):
            if named := os.environ.get(name):
                # A shell expands ~ on its own command line only.
                os.environ[name] = str(_in_home(name, named))
        for name, value in self.environment().items():
            os.environ.setdefault(name, value)

    def require_zenml(self) -> None:
        """Raise a `StoreError` if ZenML's configuration cannot be read or its store cannot be used."""
        from zenml.config.global_config import GlobalConfiguration

        try:
            # Whoever activates a stack writes the file.
            with self.making():
                store = GlobalConfiguration().store_configuration
        except (YAMLError, ValidationError) as error:
            file = Path(os.environ["ZENML_CONFIG_PATH"]) / "config.yaml"
            raise StoreError(
                f"{file}: not a configuration of ZenML ({str(error).splitlines()[0]}); move it away, a new one is made."
            ) from error
        require_store("ZenML", store.url, verify=getattr(store, "verify_ssl", True))

    @property
    def mlflow_verify(self) -> bool | str:
        """How the certificate of MLflow's server is checked, as `requests` takes it."""
        insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() == "true"
        return not insecure and (os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True)

    def require_mlflow(self, *, writable: bool = True) -> None:
        """Raise a `StoreError` if MLflow's store, or its registry if that is elsewhere, cannot be used."""
        for url in dict.fromkeys((self.tracking_uri, os.environ.get("MLFLOW_REGISTRY_URI") or self.tracking_uri)):
            require_store("MLflow", url, verify=self.mlflow_verify, writable=writable)

    def making(self) -> AbstractContextManager[None]:
        """One process at a time makes stores, brings them up to date, and registers what is missing in them."""
        return one_at_a_time(self.root / "making.lock")

    def activate_stack(self) -> None:
        """Register the local stack, or bring it up to date, and make it the active one."""
        from zenml.client import Client

        self.require_zenml()
        with self.making():
            self._apply_own()
            Client().activate_stack(STACK)

    def apply(self, stack: "StackSettings") -> "list[Change]":
        """Register `stack`; what it leaves out are the artifact store and the tracker of this workspace.

        Raises
        ------
        ConfigError
            If a flavor is unknown, a package of it is missing, it refuses its configuration, or the name is taken.
        """
        # It imports numpy and pandas, which a command that only needs the environment does not wait for.
        from ferkit.stacks.register import apply

        if stack.name in (STACK, "default"):
            raise ConfigError(f"stack {stack.name}: a stack of this name is always there, choose another name.")
        self.require_zenml()
        with self.making():
            self._apply_own()
            return apply(stack, {"artifact_store": STACK, "experiment_tracker": STACK})

    def _apply_own(self) -> None:
        """The stack of this workspace: a checkout may move, and another server may be named."""
        from zenml.client import Client
        from zenml.enums import StackComponentType
        from zenml.utils.source_utils import set_custom_source_root

        from ferkit.stacks.register import apply
        from ferkit.stacks.settings import ComponentSettings, StackSettings

        # ZenML loads steps by their path below this; a console script's own folder would be taken otherwise.
        set_custom_source_root(str(CHECKOUT))
        artifacts = self.root / "artifacts"
        artifacts.mkdir(exist_ok=True)
        there = Client().list_stack_components(name=STACK, type=StackComponentType.ARTIFACT_STORE, hydrate=True).items
        before = there[0].configuration.get("path") if there else None
        apply(
            StackSettings(
                name=STACK,
                orchestrator=ComponentSettings(flavor="local"),
                artifact_store=ComponentSettings(flavor="local", configuration={"path": str(artifacts)}),
                experiment_tracker=ComponentSettings(flavor="mlflow", configuration=self._tracker()),
            )
        )
        if before and before != str(artifacts):
            keep_cached(STACK, before)

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


def _in_home(variable: str, path: str) -> Path:
    """`path` with the home folder in place of a ``~``."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(f"{variable} {path}: there is no such home folder, write the whole path.") from None
