"""Compiles our pipeline as ZenML's Kubeflow orchestrator does; run with the packages of the extra on the path.

    compile_kubeflow.py STACK CONFIG

Submits to a server that is not there: the compiled pipeline is written before. Prints its path.
"""

import sys
from pathlib import Path

from ferkit.cli.state.workspace import Workspace, require_checkout

require_checkout()
Workspace.open().set_environment()

from zenml.client import Client  # noqa: E402

from ferkit.cli.stack_choice import activate  # noqa: E402
from ferkit.config.loading import load_config  # noqa: E402
from ferkit.config.named_files import NamedFiles  # noqa: E402
from ferkit.stacks.placement import placed  # noqa: E402
from pipelines.train import train  # noqa: E402

stack, config = sys.argv[1:]
_, placement = activate(Workspace.open(), stack)
read = load_config(Path(config))
arguments = {"config": read, "files": NamedFiles.of(read), "imported": None}
pipeline = placed(train, placement, arguments)
pipeline.prepare(**arguments)
snapshot = pipeline.create_snapshot("compiled")
active = Client().active_stack
active.orchestrator.submit_pipeline(snapshot, active, {}, {name: {} for name in snapshot.step_configurations})
(written,) = Path(active.orchestrator.pipeline_directory).glob("*.yaml")
sys.stdout.write(f"{written}\n")
