"""`ferkit serve`: the page and the API, on the model that was promoted."""

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from ferkit.cli.ports import require_free
from ferkit.cli.state.workspace import Workspace
from ferkit.detection.loading import DetectorName
from ferkit.errors import ConfigError
from ferkit.serving.settings import PREFIX, ServingSettings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("serve")(serve)


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on. [default: 8000]")] = None,
    token: Annotated[
        str | None,
        typer.Option(help=f"What clients have to present. Other users see options: {PREFIX}TOKEN is safer."),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Serve the model in this folder; ask no registry.")
    ] = None,
    detector: Annotated[DetectorName | None, typer.Option(help="What finds the faces. [default: blazeface]")] = None,
    reload_seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Time between two looks for a new champion. [default: 30]")
    ] = None,
    rate_limit: Annotated[
        int | None, typer.Option(min=0, help="Requests a minute of one client; 0: no limit.", metavar="N")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=5, help="Requests at a time. [default: 32]")] = None,
) -> None:
    """Open the page and the API on the champion of the registry, or on the shipped models if there is none.

    A new champion takes over without a restart. All settings: docs/guides/serving.md. Examples:

    * `ferkit serve`
    * `ferkit serve --host 0.0.0.0 --port 80 --rate-limit 600`
    """
    given: dict[str, Any] = {
        "host": host, "port": port, "token": token, "bundle": bundle, "detector": detector,
        "reload_seconds": reload_seconds, "rate_limit": rate_limit, "threads": threads,
    }  # fmt: skip
    settings = _settings({"cache": Workspace.named().root / "serving"}, given)
    if importlib.util.find_spec("gunicorn") is None:
        raise ConfigError("gunicorn is missing, which runs the service: pip install gunicorn.")
    if settings.bundle is not None:
        from ferkit.bundles.bundle import load_bundle

        # Here it is an error of one line; the service would wait for the folder to come.
        load_bundle(settings.bundle)
    require_free(settings.host, settings.port, "serve")
    host_name = f"[{settings.host}]" if ":" in settings.host else settings.host
    Console().print(
        f"The page: http://{host_name}:{settings.port}/   the API: http://{host_name}:{settings.port}/docs"
        "   (Ctrl-C stops it)",
        soft_wrap=True,
        highlight=False,
    )
    sys.stdout.flush()
    environment = {**os.environ, **settings.to_environment()}
    config = ("--config", "python:ferkit.serving.server.gunicorn_config", "ferkit.serving.server.wsgi:app")
    os.execve(sys.executable, [sys.executable, "-m", "gunicorn", *config], environment)  # noqa: S606


def _settings(defaults: dict[str, Any], options: dict[str, Any]) -> ServingSettings:
    """Options before the environment, the environment before `defaults`."""
    environment = ServingSettings.from_environment()
    from_environment = {name: getattr(environment, name) for name in environment.model_fields_set}
    from_options = {name: value for name, value in options.items() if value is not None}
    try:
        return ServingSettings(**{**defaults, **from_environment, **from_options})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise ConfigError(f"{first['loc'][0]}: {first['msg']}.") from None
