"""How a training runs on its device: precision, compilation, steps at a time, number of devices."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ferkit.backbones.registry import Backbone
from ferkit.errors import ConfigError
from ferkit.settings import Settings

__all__ = [
    "ExecutionSettings",
    "accelerated",
    "check_execution",
    "compile_arguments",
    "copies_of",
    "execution",
    "precision_of",
    "require_even_batches",
    "sharing_devices",
    "use_precision",
]

Precision = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]

# With a step of a millisecond, the call from Python costs as much as the work.
_STEPS_ON_ACCELERATOR = 16


class ExecutionSettings(Settings):
    """How fast, on what; all of it changes results by no more than rounding.

    Attributes
    ----------
    precision
        ``auto`` is ``mixed_bfloat16`` on a GPU or TPU, and under TensorFlow on a CPU that has instructions for it, for
        a backbone that gains by them (`Backbone.bfloat16_on_cpu`); else ``float32``.
    compile
        XLA. ``auto``: on a GPU or TPU, and always under JAX, which has nothing else; not under PyTorch, whose compiler
        gives Keras' networks up after minutes.
    steps_per_execution
        Training steps for each call from Python; ``auto`` is 16 on a GPU or TPU and 1 on a CPU, and under PyTorch,
        which knows no other.
    devices
        Devices of this machine that share each batch; ``all`` of them, or a number. Under JAX through
        ``keras.distribution``, under TensorFlow through ``tf.distribute``.
    """

    precision: Precision = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    steps_per_execution: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    devices: Literal["all"] | Annotated[int, Field(ge=1)] = 1


@contextmanager
def execution(settings: ExecutionSettings, backbone: Backbone) -> Iterator[None]:
    """Build, compile and fit `backbone` within this: precision and distribution are those of `settings`.

    Raises
    ------
    ConfigError
        If there are fewer devices, or the Keras backend cannot share a batch among them.
    """
    with use_precision(precision_of(settings, backbone)), _distribution(settings.devices):
        yield


def precision_of(settings: ExecutionSettings, backbone: Backbone) -> str:
    """Keras' dtype policy under which `backbone` is trained."""
    import keras

    if settings.precision != "auto":
        return settings.precision
    # Of the three backends only TensorFlow's oneDNN was seen to be faster in bfloat16 on a CPU.
    quick_cpu = backbone.bfloat16_on_cpu and keras.backend.backend() == "tensorflow" and _cpu_has_bfloat16()
    return "mixed_bfloat16" if accelerated() or quick_cpu else "float32"


@contextmanager
def use_precision(precision: str) -> Iterator[None]:
    """Layers made within compute under the dtype policy `precision`."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def compile_arguments(settings: ExecutionSettings) -> dict[str, Any]:
    """Arguments of ``keras.Model.compile``.

    Raises
    ------
    ConfigError
        If the Keras backend cannot do several steps at a time.
    """
    import keras

    backend = keras.backend.backend()
    compiles = accelerated() and backend != "torch"
    steps = settings.steps_per_execution
    if steps == "auto":
        steps = _STEPS_ON_ACCELERATOR if compiles else 1
    elif steps > 1 and backend == "torch":
        raise ConfigError(
            f"training.execution.steps_per_execution {steps}: the Keras backend torch does one step at a time; set it "
            "to 1 or auto."
        )
    jit = {"auto": compiles or backend == "jax", "on": True, "off": False}[settings.compile]
    return {"jit_compile": jit, "steps_per_execution": steps}


def accelerated() -> bool:
    """Whether Keras computes on a GPU or TPU."""
    return any(kind.upper() != "CPU" for kind, _ in _devices())


def sharing_devices(settings: ExecutionSettings) -> int:
    """Number of devices that share each batch."""
    return len(_chosen(settings.devices)) if settings.devices != 1 else 1


def check_execution(settings: ExecutionSettings, batch_size: int) -> None:
    """Find what a training would stop at on this machine.

    Raises
    ------
    ConfigError
        As `execution` and `compile_arguments` do, and if the devices cannot share a batch evenly.
    """
    if settings.steps_per_execution not in ("auto", 1):
        compile_arguments(settings)
    if settings.devices == 1:
        return
    devices = sharing_devices(settings)
    require_even_batches(batch_size, devices)
    with _distribution(settings.devices):
        pass


def require_even_batches(batch_size: int, devices: int) -> None:
    """Raise a `ConfigError` unless so many devices can share each batch evenly."""
    if batch_size % devices:
        raise ConfigError(
            f"training.batch_size {batch_size} cannot be shared evenly among {devices} devices "
            "(training.execution.devices); use a multiple."
        )


def copies_of(variable: Any) -> list[Any]:
    """What `execution` makes of a variable: one for each device that has a copy of its own, which may differ.

    Under TensorFlow each of the devices that share a batch runs the whole step on its part, so that random states that
    are alike draw the same for every part. JAX has one state for the whole batch.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return [variable]
    import tensorflow as tf

    return list(tf.distribute.get_strategy().experimental_local_results(variable.value))


def _cpu_has_bfloat16() -> bool:
    """Whether Linux lists instructions that multiply bfloat16."""
    try:
        return not {"avx512_bf16", "amx_bf16"}.isdisjoint(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False


@contextmanager
def _distribution(devices: Literal["all"] | int) -> Iterator[None]:
    """Share each batch among `devices`."""
    if devices == 1:
        yield
        return
    import keras

    chosen = _chosen(devices)
    backend = keras.backend.backend()
    if backend == "jax":
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=chosen))
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)
    elif backend == "tensorflow":
        import tensorflow as tf

        with tf.distribute.MirroredStrategy([name.upper() for name in chosen]).scope():
            yield
    else:
        raise ConfigError(
            f"training.execution.devices {devices}: the Keras backend {backend} uses one device; train with "
            "KERAS_BACKEND=jax or tensorflow, or set it to 1."
        )


def _chosen(devices: Literal["all"] | int) -> list[str]:
    """Names of the devices that share a batch: accelerators if there are any."""
    known = _devices()
    fast = [name for kind, name in known if kind.upper() != "CPU"] or [name for _, name in known]
    if devices == "all":
        return fast
    if len(fast) < devices:
        raise ConfigError(
            f"training.execution.devices {devices}: this machine has {len(fast)} ({', '.join(fast)}); lower it, or "
            "set it to all."
        )
    return fast[:devices]


def _devices() -> list[tuple[str, str]]:
    """Kind and name of every device that the Keras backend sees."""
    import keras

    if keras.backend.backend() == "torch":
        import torch

        return [("GPU", f"gpu:{index}") for index in range(torch.cuda.device_count())] or [("CPU", "cpu:0")]
    return [(name.split(":")[0], name) for name in keras.distribution.list_devices()]
