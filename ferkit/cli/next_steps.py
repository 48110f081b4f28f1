"""Commands that are of use after a run: only those that fit the run that ended."""

from collections.abc import Iterator

from ferkit.config.run_config import RunConfig

__all__ = ["next_steps"]


def next_steps(config: RunConfig, tracking_uri: str) -> list[str]:
    """Commands and addresses that are of use after a run, one a line with what it is for.

    Parameters
    ----------
    config
        The configuration of the run that ended.
    tracking_uri
        Where MLflow has the run: a server has a page already, a file needs `ferkit ui`.
    """
    steps = list(_steps(config, tracking_uri))
    width = max(len(command) for command, _ in steps)
    return [f"{'' if number else 'next':<8}{command:<{width}}  {why}" for number, (command, why) in enumerate(steps)]


def _steps(config: RunConfig, tracking_uri: str) -> Iterator[tuple[str, str]]:
    page = "MLflow's page: every run, its curves, figures and report"
    yield (tracking_uri, page) if tracking_uri.startswith("http") else ("ferkit ui", page)
    if config.registry.register_:
        if config.registry.promote:
            yield "ferkit models", "what the gate decided about its ensemble, and which version is in use"
        else:
            yield "ferkit promote --dry-run", "whether the gate would put its ensemble into use"
    if config.data.source == "synthetic":
        yield "ferkit run configs/fer2013.yaml", "the study on FER-2013; ferkit data download brings the data"
