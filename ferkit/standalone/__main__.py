"""``python -m ferkit.standalone CONFIG --out DIR``: a run without ZenML and MLflow."""

import argparse
import importlib.util
import logging
import os
import shlex
import sys
import time
from pathlib import Path

import pandas as pd

from ferkit.config.loading import load_config
from ferkit.config.repetitions import repetitions, varied
from ferkit.environment import TENSORFLOW
from ferkit.errors import ConfigError, FerkitError
from ferkit.evaluation.over_seeds import over_seeds
from ferkit.standalone.members import OutOfTimeError
from ferkit.standalone.run import train_run
from ferkit.standalone.run_data import read_data

__all__ = ["main"]

_BACKENDS = ("tensorflow", "jax", "torch")
# sysexits.h: EX_TEMPFAIL, the same command goes on.
_AGAIN = 75
_INTERRUPTED = 130


def main(given: list[str]) -> int:
    """Run the command; the exit status: 0 done, 1 an expected error, 75 out of time, 130 interrupted."""
    begin = time.monotonic()
    arguments = _parser().parse_args(given)
    again = f"To go on: python -m ferkit.standalone {shlex.join(given)}"
    deadline = None if arguments.time_limit is None else begin + arguments.time_limit
    try:
        _choose_backend()
        config = load_config(arguments.config, arguments.overrides)
        runs, data, tables = repetitions(config, arguments.seeds), None, []
        for number, run in enumerate(runs):
            folder = arguments.out / run.name
            _log_to(folder)
            # Runs of one fold follow each other.
            if data is None or run.config.data != runs[number - 1].config.data:
                data = read_data(run.config)
            table = train_run(
                run.config, data, folder, only=arguments.only, deadline=deadline, test=not arguments.no_test
            )
            _print(_results(table, folder))
            tables.append(table)
        if len(runs) > 1:
            _print(_spread(tables, arguments.out, varied(runs)))
    except OutOfTimeError as stopped:
        return _end(f"{stopped}. {again}", _AGAIN)
    except FerkitError as error:
        return _end(str(error), 1)
    except OSError as error:
        # A full disk or a folder that cannot be written is for a person to mend, not for us.
        return _end(f"{error.filename or arguments.out}: {error.strerror or error}. {again}", 1)
    except KeyboardInterrupt:
        return _end(f"interrupted. {again}", _INTERRUPTED)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ferkit.standalone",
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
        "--time-limit", type=float, metavar="SECONDS", help=f"stop after the epoch that passes it, with status {_AGAIN}"
    )
    parser.add_argument("--no-test", action="store_true", help="do not read PrivateTest: scores of PublicTest alone")
    return parser


def _seeds(text: str) -> tuple[int, ...]:
    if not all(part.isdecimal() for part in text.split(",")):
        raise argparse.ArgumentTypeError(f"{text!r}: expected whole numbers, such as 0,1,2")
    return tuple(dict.fromkeys(int(part) for part in text.split(",")))


def _choose_backend() -> None:
    """Leave the backend to Keras where TensorFlow is installed, else take the one that is.

    Raises
    ------
    ConfigError
        If there is none, or KERAS_BACKEND names another.
    """
    installed = [name for name in _BACKENDS if importlib.util.find_spec(name)]
    named = os.environ.get("KERAS_BACKEND")
    if not installed or (named and named not in installed):
        what = f"KERAS_BACKEND={named}: not installed" if named else "no Keras backend is installed"
        raise ConfigError(f"{what}; there is {', '.join(installed) or 'none'}, expected one of {', '.join(_BACKENDS)}.")
    if "tensorflow" not in installed:
        os.environ.setdefault("KERAS_BACKEND", installed[0])
    for name, value in TENSORFLOW.items():
        os.environ.setdefault(name, value)


def _log_to(folder: Path) -> None:
    """Send the log of ferkit to the terminal and to the run's log."""
    folder.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("ferkit")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    for new in (logging.StreamHandler(sys.stderr), logging.FileHandler(folder / "training.log", encoding="utf-8")):
        new.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
        logger.addHandler(new)
    logger.setLevel(logging.INFO)
    # It warns that every network is compiled anew, as every network is another.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


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


def _spread(tables: list[pd.DataFrame], out: Path, runs: str) -> str:
    """Mean and standard deviation over the runs, which are also written to a file."""
    if any(table.empty for table in tables):
        return ""
    table, file = over_seeds(tables, runs=runs), out / f"{runs}.csv"
    table.to_csv(file, index=False)
    text = table.to_string(index=False, float_format="{:.4f}".format)
    return f"\naccuracy over the {runs}\n{text}\n\nscores  {file}"


def _end(message: str, status: int) -> int:
    for line in message.splitlines():
        print(f"ferkit: {line}", file=sys.stderr)  # noqa: T201
    return status


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
