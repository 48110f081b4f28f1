"""``python -m ferkit.training CONFIG --out DIR``: a run without ZenML and MLflow."""

import argparse
import logging
import shlex
import sys
from pathlib import Path

import pandas as pd

from ferkit.config import RunConfig, load_config
from ferkit.errors import FerkitError
from ferkit.training.standalone import OutOfTimeError, train_run

__all__ = ["main"]

# sysexits.h: EX_TEMPFAIL, the same command goes on.
_AGAIN = 75


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit status: 0 done, 1 an expected error, 75 out of time."""
    given = sys.argv[1:] if arguments is None else arguments
    asked = _parser().parse_args(given)
    try:
        config = load_config(asked.config, asked.overrides)
        runs = _runs(config, asked.out, asked.seeds)
        tables = []
        for each, folder in runs:
            _log_to(folder)
            table = train_run(each, folder, only=asked.only, time_limit=asked.time_limit, test=not asked.no_test)
            tables.append(table.assign(seed=each.seed))
            _say(_results(table, folder))
    except OutOfTimeError as stopped:
        _say(f"{stopped}. To go on:\n  python -m ferkit.training {shlex.join(given)}")
        return _AGAIN
    except FerkitError as error:
        for line in str(error).splitlines():
            print(f"ferkit: {line}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ferkit.training",
        description="Train, combine and judge the networks of a run configuration, without ZenML and MLflow. "
        "The same command goes on where it was stopped. KERAS_BACKEND names the backend: tensorflow, jax or torch.",
    )
    parser.add_argument("config", type=Path, help="a run configuration, such as configs/quickstart.yaml")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for everything that comes of it")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="K=V", help="override a setting; repeatable"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="LABEL", help="train these backbones; scores when all are there"
    )
    parser.add_argument(
        "--seeds", type=_seeds, default=(), metavar="0,1,2", help="a run a seed, each in a folder of its own below DIR"
    )
    parser.add_argument(
        "--time-limit", type=float, metavar="SECONDS", help=f"stop after the epoch that passes it, status {_AGAIN}"
    )
    parser.add_argument("--no-test", action="store_true", help="do not read PrivateTest: scores of PublicTest alone")
    return parser


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected whole numbers, such as 0,1,2") from None


def _runs(config: RunConfig, out: Path, seeds: tuple[int, ...]) -> list[tuple[RunConfig, Path]]:
    """Configuration and folder of each run."""
    if not seeds:
        return [(config, out)]
    return [(config.model_copy(update={"seed": seed}), out / f"seed-{seed}") for seed in seeds]


def _log_to(folder: Path) -> None:
    """Send what ferkit says to the terminal and to the run's log."""
    folder.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("ferkit")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    for new in (logging.StreamHandler(sys.stderr), logging.FileHandler(folder / "training.log", encoding="utf-8")):
        new.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
        logger.addHandler(new)
    logger.setLevel(logging.INFO)


def _results(table: pd.DataFrame, folder: Path) -> str:
    """The scores as lines of text, and where they lie."""
    if table.empty:
        return f"\nwhat is trained lies in {folder / 'trainings'}"
    shown = pd.DataFrame(
        {
            "model": table["target"] + "/" + table["model"],
            "pictures of": table["subset"],
            "count": table["pictures"],
            "accuracy": table["accuracy"].map("{:.4f}".format),
            "interval": table["accuracy_low"].map("{:.3f}..".format) + table["accuracy_high"].map("{:.3f}".format),
            "macro F1": table["macro_f1"].map("{:.4f}".format),
        }
    )
    return f"\n{shown.to_string(index=False)}\n\nscores  {folder / 'evaluations'}\nmodels  {folder / 'trainings'}"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
