"""MLflow's run of a run of the pipeline: made before the first step, so that one whose steps are all cached has it."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ferkit.config.run_config import RunConfig
from ferkit.environment import git_commit
from ferkit.tracking.cached import CachedStep, copy_cached
from ferkit.tracking.datasets import data_tags, log_datasets, split_input
from ferkit.tracking.description import describe, intention
from ferkit.tracking.headline import run_headline
from ferkit.tracking.parameters import log_parameters, run_parameters
from ferkit.tracking.parts import NOTE_TAG

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["complete", "opened_run", "tracker_settings"]


def tracker_settings(config: RunConfig, data_hash: str) -> dict[str, Any]:
    """Settings of ZenML's MLflow tracker for a run: the experiment, and tags to group, filter and find runs by."""
    return {
        "experiment_name": config.experiment,
        "tags": {
            "ferkit.config": config.name,
            "ferkit.config_hash": hashlib.sha256(config.to_yaml().encode()).hexdigest()[:16],
            "ferkit.data_hash": data_hash[:16],
            "ferkit.git_commit": git_commit() or "unknown",
            "ferkit.seed": str(config.seed),
            **data_tags(config),
        },
    }


@contextmanager
def opened_run(
    client: "MlflowClient", experiment_id: str, name: str, config: RunConfig, tags: Mapping[str, str]
) -> Iterator[str]:
    """The id of a new run called `name`, with its parameters, data and what it is about to do.

    ZenML's tracker goes on with the run that has its own run's name. It has failed if the block fails before a step of
    it has ended it.
    """
    run = client.create_run(experiment_id, run_name=name, tags={**tags, NOTE_TAG: intention(config)})
    run_id = run.info.run_id
    log_parameters(client, run_id, run_parameters(config))
    splits = ("Training", "PublicTest", *(["PrivateTest"] if config.evaluation.private_test else []))
    log_datasets(client, run, [split_input(tags, split) for split in splits])
    try:
        yield run_id
    except BaseException:
        if client.get_run(run_id).info.status == "RUNNING":
            client.set_terminated(run_id, "FAILED")
        raise


def complete(
    client: "MlflowClient",
    run: "Run",
    config: RunConfig,
    results: "pd.DataFrame",
    cached: Iterable[CachedStep],
    links: Mapping[str, str],
) -> None:
    """Give a run that is over its best numbers, what came from the cache, and a description; may be done again.

    Parameters
    ----------
    run
        With its tags and times, as the client gets it.
    results
        The table of every model, see `ferkit.evaluation.evaluate.Evaluation.to_table`.
    cached
        The steps that were taken from the cache.
    links
        Address by what it leads to.
    """
    from mlflow.entities import Metric, RunTag

    run_id = run.info.run_id
    copy_cached(client, run, cached)
    numbers = run_headline(results, config)
    now = run.info.end_time or run.info.start_time
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, now, 0) for key, value in numbers.items()],
        tags=[RunTag(NOTE_TAG, describe(config, results, links))],
    )
    client.set_terminated(run_id)
