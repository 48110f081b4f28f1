"""Which steps of several runs are the same, before any of them has run."""

import hashlib

from pydantic_core import to_json

from ferkit.config.named_files import NamedFiles
from ferkit.config.run_config import RunConfig

__all__ = ["step_keys"]


def step_keys(config: RunConfig, files: NamedFiles) -> dict[str, str]:
    """A hash of everything that decides what a step makes, by the name of each step of the pipeline.

    Steps of two runs with the same hash make the same, so that the second one finds what the first one made in ZenML's
    cache. Steps whose hashes differ may make the same all the same: the cache goes by the content of their inputs.

    Parameters
    ----------
    files
        What the files hold that `config` names.
    """
    from pipelines.train import train

    draft = train.copy()
    draft.prepare(config=config, files=files, imported=None)
    keys: dict[str, str] = {}
    # A step stands behind those that it needs, since it was called with what they return.
    for name, invocation in draft.invocations.items():
        inputs = {
            argument: [
                (keys[each.invocation_id], each.output_name) for each in (made if isinstance(made, list) else [made])
            ]
            for argument, made in invocation.input_artifacts.items()
        }
        before = sorted(keys[each] for each in invocation.upstream_steps)
        parameters = {**invocation.default_parameters, **invocation.parameters}
        made_of = (invocation.step.name, invocation.step.configuration.substitutions, parameters, inputs, before)
        keys[name] = hashlib.sha256(to_json(made_of, fallback=str)).hexdigest()
    return keys
