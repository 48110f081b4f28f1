"""The benchmark that leaves out one part of a recipe after the other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Last, and after the packages: benchmarks/serving.py is called like one of them.
sys.path += [str(ROOT), str(ROOT / "benchmarks")]

import ablation  # noqa: E402

from ferkit.config.loading import load_config  # noqa: E402
from tests.toys.command import forked_script  # noqa: E402


@pytest.mark.parametrize("name", ["reference_cpu", "reference_gpu", "fer2013_cpu"])
def test_each_backbone_of_a_shipped_config_can_be_ablated(name: str) -> None:
    config = ROOT / "configs" / f"{name}.yaml"
    for label in [each.label for each in load_config(config).backbones]:
        (training,) = load_config(config, ablation._alone(config, label)).trained()
        assert training.label == label


def test_the_parts_of_a_recipe_are_a_table(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        """
        name: toy
        data: {source: synthetic, count: 200}
        validation: {minimum_class: 1}
        targets: [{name: fer}]
        backbones:
          - {name: fernet, width: 4, depth: 1, input_size: 24}
          - {name: fernet, alias: student, width: 4, depth: 1, input_size: 24, teacher: ensemble}
        training: {network: {epochs: 1}}
        distillation: {weight: 0.8}
        """
    )
    made = subprocess.run(
        forked_script(
            ROOT / "benchmarks" / "ablation.py",
            str(config),
            "--out",
            str(tmp_path / "out"),
            "--only",
            "mixup",
            "one view",
        ),
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert not made.returncode, made.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in made.stdout.splitlines()[-3:]]
    assert [row[0] for row in rows] == ["as it stands", "with mixup 0.2", "one view, without the mirror image"]
    stands = float(rows[0][1])
    for row in rows[1:]:
        assert float(row[2].split()[0]) == pytest.approx(float(row[1]) - stands, abs=1.1e-4)
