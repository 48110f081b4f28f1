"""Where a training ran: backend, device, versions, commit."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from ferkit.settings import Settings

__all__ = ["TENSORFLOW", "Environment", "git_commit", "this_environment"]

_PACKAGES = (
    *("ferkit", "keras", "tensorflow", "jax", "jaxlib", "torch", "numpy", "pandas", "scikit-learn"),
    "imbalanced-learn",
)
_ROOT = Path(__file__).resolve().parents[1]


class Environment(Settings):
    """What besides settings and data decides about a result.

    Attributes
    ----------
    backend
        Of Keras: tensorflow, jax or torch.
    device
        Name of the accelerator, or of the CPU where there is none.
    versions
        By name of the package, those that are installed, and Python's.
    commit
        Of the checkout, None where it is not known.
    """

    backend: str
    device: str
    versions: dict[str, str]
    commit: str | None = None


def this_environment() -> Environment:
    """The environment of this process."""
    import keras

    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    backend = str(keras.backend.backend())
    return Environment(backend=backend, device=_device(backend), versions=versions, commit=git_commit())


def git_commit() -> str | None:
    """Commit of the checkout, with ``-dirty`` if files differ from it.

    The variable ``FERKIT_COMMIT`` says it for a copy of the files without their history; None if neither is there.
    """
    if told := os.environ.get("FERKIT_COMMIT"):
        return told
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(_ROOT), "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"],  # noqa: S607
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _device(backend: str) -> str:
    if backend == "jax":
        import jax  # type: ignore[import-not-found,unused-ignore]

        first = jax.devices()[0]
        return str(first.device_kind) if first.platform != "cpu" else _cpu()
    if backend == "torch":
        import torch  # type: ignore[import-not-found,unused-ignore]

        return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else _cpu()
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")) if gpus else _cpu()


def _cpu() -> str:
    """Name of the processor as Linux tells it, or what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


# oneDNN's kernels are on by default only where a processor has instructions made for networks; with AVX2 alone they
# train `fernet` 1.5 times as fast as what TensorFlow takes there.
TENSORFLOW = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}
