"""What ZenML and MLflow cost: a run of the pipeline beside the same work called directly.

    python benchmarks/pipeline_overhead.py CONFIG [--set KEY=VALUE ...] [--runs 3]

Both sides are whole processes that read, validate, clean, balance, train and judge every network of CONFIG; they run in
turn, each time from nothing. The goal is at most 1.05.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIRECT = """
import sys, tempfile
from pathlib import Path
from ferkit.preparation.balancing import oversample
from ferkit.preparation.cleaning import drop_non_faces
from ferkit.config.loading import load_config
from ferkit.models.ensemble import combine, selection_ensemble
from ferkit.evaluation.evaluate import evaluate
from ferkit.sources import load
from ferkit.training.distillation import distil
from ferkit.training.member import train_member
from ferkit.training.teacher import teach
from ferkit.preparation.validation import validate

config = load_config(Path(sys.argv[1]), sys.argv[2:])
tta = config.prediction
ingested = load(config.data)
faces = drop_non_faces(validate(ingested, config.validation).faces, config.cleaning).faces
balanced = {target.name: oversample(faces, target, config.balancing, config.seed) for target in config.targets}
models = {target.name: [] for target in config.targets}
said = {target.name: {"PublicTest": {}, "PrivateTest": {}} for target in config.targets}


def train(training, learned):
    member = train_member(
        faces, {name: learned[name] for name in training.names}, training.targets, training.entry.backbone,
        config.training_of(training.entry), config.seed_of(training),
        workspace=Path(tempfile.mkdtemp()), selection=config.selection,
    )
    for target in training.targets:
        model = member.models[target.name]
        both = [model.predict_split(faces, target, split, tta) for split in ("PublicTest", "PrivateTest")]
        evaluate(training.label, both, ingested, target, config.evaluation, config.seed)
        if training.entry.teacher is None:
            models[target.name].append(model)
            for each in both:
                said[target.name][each.split][training.label] = each


for training in config.trained():
    if training.entry.teacher is None:
        train(training, balanced)
lessons = {}
for target in config.targets:
    votes = selection_ensemble(said[target.name]["PublicTest"], faces, target, config.selection, config.ensemble)
    together = [combine(each, votes) for each in said[target.name].values()]
    evaluate("ensemble", together, ingested, target, config.evaluation, config.seed)
    if config.students(target.name):
        teacher = teach(models[target.name], votes, balanced[target.name], tta)
        lessons[target.name] = distil(balanced[target.name], teacher, config.distillation)
for training in config.trained():
    if training.entry.teacher is not None:
        train(training, lessons)
"""


def seconds(command: list[str], home: str) -> float:
    begin = time.perf_counter()
    environment = {**os.environ, "FERKIT_HOME": home, "PYTHONPATH": str(ROOT), "GX_ANALYTICS_ENABLED": "false"}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    through_flags = [word for override in args.overrides for word in ("--set", override)]
    pairs = []
    for _ in range(args.runs):
        with tempfile.TemporaryDirectory() as home:
            pipeline = [
                sys.executable,
                "-c",
                "from ferkit.cli.app import main; main()",
                "run",
                args.config,
                *through_flags,
            ]
            through = seconds(pipeline, home)
            direct = seconds([sys.executable, "-c", DIRECT, args.config, *args.overrides], home)
        pairs.append((through, direct))
        print(f"pipeline {through:7.1f} s   direct {direct:7.1f} s   ratio {through / direct:.3f}", flush=True)
    print(f"median ratio {statistics.median(through / direct for through, direct in pairs):.3f}")


if __name__ == "__main__":
    main()
