"""Search files: what is refused before anything runs, and which configurations a trial has."""

import pytest
import yaml

from ferkit.config.loading import load_config
from ferkit.errors import ConfigError
from ferkit.experiments.search.configs import is_search, load_search

BASE = {"name": "base", "data": {"source": "synthetic", "count": 200}, "backbones": [{"name": "fernet", "width": 4}]}
RANGES = {
    "training.network.learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "balancing.method": ["none", "random_over_sampler"],
}
FILE = {"name": "toy", "base": "base.yaml", "search": {"trials": 3, "ranges": RANGES}}


@pytest.fixture
def load(tmp_path):
    def from_file(search=None, **change):
        (tmp_path / "base.yaml").write_text(yaml.safe_dump(BASE))
        file = tmp_path / "toy.yaml"
        file.write_text(yaml.safe_dump({**FILE, **change, "search": {**FILE["search"], **(search or {})}}))
        assert is_search(file)
        return load_search(file)

    return from_file


def test_a_trial_reads_no_private_test_and_registers_nothing(load):
    search = load(set={"training.batch_size": 16})
    config = search.config("trial-4", {"training.network.learning_rate": 0.02, "balancing.method": "none"})
    assert (config.name, config.experiment, config.training.batch_size) == ("toy.trial-4", "toy", 16)
    assert config.training.network.learning_rate == 0.02
    assert not config.evaluation.private_test
    assert not config.registry.register_


def test_a_run_is_told_the_command(load, tmp_path):
    load()
    with pytest.raises(ConfigError, match=r"toy\.yaml: an experiment, not a run: ferkit experiment "):
        load_config(tmp_path / "toy.yaml")


RATE = "training.network.learning_rate"


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"trials": None}, "search: trials: missing; how many trials are to be run?"),
        ({"trials": 0}, "search.trials"),
        ({"sampler": "tpee"}, "search.sampler"),
        ({"sampler": "grid"}, "a grid needs a step, or a list of values."),
        (
            {"sampler": "grid", "ranges": {"balancing.method": ["none", "smote"]}},
            "trials 3: a grid has 2, leave it out.",
        ),
        ({"sampler": "random", "startup_trials": 3}, "startup_trials: sampler random does not read it."),
        ({"pruner": {"method": "none", "warmup_epochs": 2}}, "warmup_epochs: method none reads nothing else."),
        ({"ranges": {}}, "search.ranges"),
        ({"ranges": {RATE: {"low": 0.1, "high": 0.1}}}, "low 0.1, high 0.1: expected numbers, the first below"),
        ({"ranges": {RATE: {"low": 0.0, "high": 0.1, "log": True}}}, "low 0.0: a range with log begins above 0."),
        ({"ranges": {RATE: {"low": 0.1, "high": 0.2, "log": True, "step": 0.1}}}, "log, step: one or the other"),
        ({"ranges": {RATE: {"low": 0.1, "high": 0.2, "step": 0.03}}}, "step 0.03: does not lead from 0.1 to 0.2."),
        ({"ranges": {RATE: {"low": 1, "high": 3, "step": 0.5}}}, "step 0.5: does not lead from 1 to 3."),
        ({"ranges": {RATE: {"lo": 0.1, "high": 0.2}}}, "lo: unknown key"),
        ({"ranges": {RATE: [0.1]}}, f"search.ranges.{RATE}"),
        ({"ranges": {"balancing.method": ["none", "none"]}}, "a value occurs twice."),
        (
            {"ranges": {"balancing.method": ["none", "smot"]}},
            "search.ranges.balancing.method smot: {base}: balancing.method",
        ),
        (
            {"ranges": {"training.batch_size": {"low": -1, "high": 8}}},
            "training.batch_size -1: {base}: training.batch_size",
        ),
        ({"ranges": {"training.rate": {"low": 1, "high": 8}}}, "training.rate 1: {base}: training.rate: unknown key"),
    ],
)
def test_a_mistake_is_found_before_anything_runs(load, tmp_path, search, message):
    with pytest.raises(ConfigError) as raised:
        load(search)
    assert message.replace("{base}", str(tmp_path / "base.yaml")) in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 3}, "seeds: unknown key"),
        ({"measure": {"confidence": 0.9}}, "measure: confidence: a search compares no cells and reads none of it."),
        ({"measure": {"model": "resnet"}}, "measure.model resnet: every trial has ensemble, fernet."),
        (
            {"set": {"backbones": [{"name": "fernet"}, {"name": "fernet", "alias": "b"}]}},
            "search.pruner: a run has 2 trainings",
        ),
    ],
)
def test_a_mistake_elsewhere_is_found_too(load, change, message):
    with pytest.raises(ConfigError) as raised:
        load(**change)
    assert message in str(raised.value)
