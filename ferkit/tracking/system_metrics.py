"""What the machine does during a training, as MLflow's system metrics: processor, memory, disk, network, GPUs."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["measured"]


@contextmanager
def measured(run_id: str) -> Iterator[None]:
    """Measure every 10 seconds, or as often as MLflow's environment says, and once at the end of the block."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, resume_logging=True)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
        # What took less than the interval has not been measured at all.
        monitor.collect_metrics()
        monitor.publish_metrics(monitor.aggregate_metrics())
        monitor.mlflow_logger.flush()
