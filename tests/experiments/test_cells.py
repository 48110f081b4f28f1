"""Experiment files: which cells they make, and what is refused before anything runs."""

from pathlib import Path

import pytest
import yaml

from ferkit.config.loading import load_config
from ferkit.errors import ConfigError
from ferkit.experiments.cells import load_experiment
from ferkit.experiments.search.configs import is_search, load_search

ROOT = Path(__file__).parents[2]
BASE = {"name": "base", "data": {"source": "synthetic", "count": 200}, "backbones": [{"name": "fernet", "width": 4}]}
FACTORS = {
    "balancing": {"none": {}, "repeated": {"balancing.method": "random_over_sampler"}},
    "width": {
        "small": {"backbones.fernet.width": 4},
        "large": {"backbones.fernet.width": 8, "training.batch_size": 16},
    },
}
EXPERIMENT = {"name": "toy", "base": "base.yaml", "factors": FACTORS, "seeds": [3, 5]}


@pytest.fixture
def load(tmp_path):
    def from_file(**change):
        (tmp_path / "base.yaml").write_text(yaml.safe_dump(BASE, sort_keys=False))
        file = tmp_path / "toy.yaml"
        file.write_text(yaml.safe_dump({**EXPERIMENT, **change}, sort_keys=False))
        return load_experiment(file)

    return from_file


def test_every_combination_of_levels_is_a_cell_with_a_configuration_a_seed(load):
    made = load(set={"training.network.epochs": 2}, baseline={"balancing": "repeated", "width": "small"})
    assert [each.name for each in made.cells] == ["none+small", "none+large", "repeated+small", "repeated+large"]
    assert made.baseline == "repeated+small"
    last = made.cells[3]
    assert last.levels == {"balancing": "repeated", "width": "large"}
    assert list(last.configs) == [3, 5]
    config = last.configs[5]
    assert (config.seed, config.name, config.experiment) == (5, "toy.repeated.large", "toy")
    assert (config.balancing.method, config.training.batch_size) == ("random_over_sampler", 16)
    assert (config.backbones[0].width, config.training.network.epochs) == (8, 2)
    assert not config.evaluation.private_test
    assert not config.registry.register_


def test_cells_may_be_named_and_the_first_is_the_baseline(load):
    made = load(cells=[{"width": "large", "balancing": "none"}, {"balancing": "repeated", "width": "small"}], seeds=2)
    assert [each.name for each in made.cells] == ["none+large", "repeated+small"]
    assert made.baseline == "none+large"
    assert list(made.cells[0].configs) == [0, 1]


def test_without_a_target_it_is_fer_that_decides_or_the_first_of_the_runs(load):
    assert load().settings.measure.target == "fer"
    assert load(set={"targets": [{"name": "ferplus"}]}).settings.measure.target == "ferplus"
    with pytest.raises(ConfigError, match=r"measure\.target fer: cell none\+small has ferplus\."):
        load(set={"targets": [{"name": "ferplus"}]}, measure={"target": "fer"})


def test_a_run_of_an_experiment_is_told_the_command(load, tmp_path):
    load()
    with pytest.raises(ConfigError, match=r"toy\.yaml: an experiment, not a run: ferkit experiment "):
        load_config(tmp_path / "toy.yaml")


@pytest.mark.parametrize("file", sorted((ROOT / "configs" / "experiments").glob("*.yaml")), ids=lambda each: each.stem)
def test_a_shipped_experiment_is_valid(file):
    if is_search(file):
        assert load_search(file).settings.search.count > 1
    else:
        assert len(load_experiment(file).cells) > 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"factor": {}}, "factor: unknown key; did you mean factors?"),
        ({"base": "gone.yaml"}, "gone.yaml: no such file"),
        ({"seeds": []}, "seeds"),
        ({"seeds": [1, 1]}, "seeds: [1, 1]: expected whole numbers from 0, each once, or how many."),
        ({"factors": {"a": {"one": {}}}}, "factors.a: has 1 level, a comparison needs two."),
        ({"factors": {"a": {"one": {}, "t w o": {}}}}, "factors.a.t w o: expected letters, digits"),
        ({"baseline": {"width": "small"}}, "baseline: names ['width'], expected a level of each of"),
        ({"baseline": {"width": "tiny", "balancing": "none"}}, "'tiny' is no level, known are small, large"),
        ({"cells": [{"width": "small", "balancing": "none"}] * 2}, "cells: one occurs twice"),
        (
            {"factors": {"a": {"one": {}, "two": {"balancing.methd": "smote"}}}},
            "cell two: {base}: balancing.methd: unknown key; did you mean method?",
        ),
        ({"measure": {"model": "resnet"}}, "measure.model resnet: cell none+small has ensemble, fernet."),
        ({"measure": {"target": "ferplus"}}, "measure.target ferplus: cell none+small has fer."),
        ({"measure": {"subset": "PrivateTest"}}, "measure.subset"),
    ],
)
def test_a_mistake_is_found_before_anything_runs(load, tmp_path, change, message):
    with pytest.raises(ConfigError) as raised:
        load(**change)
    assert message.replace("{base}", str(tmp_path / "base.yaml")) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
