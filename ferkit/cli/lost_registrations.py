"""Cached registrations whose versions are not in the registry any more do not count."""

__all__ = ["forget_lost_registrations"]


def forget_lost_registrations() -> None:
    """Look whether what cached `register` steps made is still in the registry that MLflow is pointed to.

    The cache promises versions that somebody may have deleted since, with a registered model or the whole database. A
    step that promised one is not used again; the next run registers anew.

    Raises
    ------
    RegistryError
        If the registry does not answer.
    """
    from zenml.client import Client
    from zenml.enums import ExecutionStatus
    from zenml.utils.pagination_utils import depaginate
    from zenml.utils.time_utils import utc_now

    from ferkit.registry.client import registry_key
    from ferkit.registry.models import version_exists

    client = Client()
    here = registry_key()
    done = depaginate(
        client.list_run_steps, name="register", status=ExecutionStatus.COMPLETED, cache_expired=False, hydrate=True
    )
    for step in done:
        if step.config.parameters.get("registry") != here:
            continue
        made = step.regular_outputs["registered"].load()
        if not all(version_exists(name, version) for name, version in zip(made["name"], made["version"], strict=True)):
            client.update_step_run(step.id, cache_expires_at=utc_now())
