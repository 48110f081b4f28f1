"""The study's comparisons: planned with and without its weights, and on another backbone."""

from pathlib import Path

import pytest
import yaml

from ferkit.backbones import get
from ferkit.cli.commands.experiment import experiment
from ferkit.cli.experiments.weights import require_weights
from ferkit.errors import ConfigError, WeightsError
from ferkit.experiments.cells import load_experiment

CONFIGS = Path(__file__).parents[2] / "configs" / "experiments"
BASE = {"name": "base", "data": {"source": "synthetic", "count": 200}, "backbones": [{"name": "mobilenet_vggface2"}]}
TOY = {
    "name": "toy",
    "base": "base.yaml",
    "factors": {
        "networks": {
            "one": {},
            "two": {"backbones": [{"name": "mobilenet_vggface2"}, {"name": "resnet50", "alias": "r", "seed": 4}]},
        }
    },
    "substitutes": {"fernet": {"backbone": {"width": 4}, "set": {"training.batch_size": 16}}},
}


@pytest.fixture(autouse=True)
def without_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("FERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FERKIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FERKIT_WEIGHTS", raising=False)


@pytest.fixture
def load(tmp_path):
    def from_file(substitute=None, **change):
        (tmp_path / "base.yaml").write_text(yaml.safe_dump(BASE))
        (tmp_path / "toy.yaml").write_text(yaml.safe_dump({**TOY, **change}))
        return load_experiment(tmp_path / "toy.yaml", substitute)

    return from_file


@pytest.fixture
def plan(tmp_path, monkeypatch, capsys):
    # A plan tells what is known of runs on the very files.
    (tmp_path / "data").mkdir()
    for name in ("fer2013.csv", "fer2013new.csv"):
        (tmp_path / "data" / name).touch()
    monkeypatch.chdir(tmp_path)

    def printed(**options):
        experiment(Path("study"), plan=True, **options)
        return capsys.readouterr().out

    return printed


def test_the_plan_of_the_study_says_which_weights_are_missing(plan):
    text = plan()
    for name, runs in (("balancing", 12), ("cleaning", 12), ("backbones", 15), ("ensemble", 9), ("ferplus", 9)):
        assert f"study_{name}: {runs} runs, 0 are done" in text
    for name in ("resnet50", "vggface", "vggface2", "efficientnet_b3", "efficientnet_b4"):
        assert f"weights  {name}: missing: will be downloaded from {get(name).weights.url}" in text
    assert "left out" not in text


def test_the_plan_of_the_study_on_another_backbone_needs_none_of_its_weights(plan):
    text = plan(substitute="dlib_resnet")
    for name, runs in (("balancing", 12), ("cleaning", 12), ("ensemble", 9), ("ferplus", 9)):
        assert f"study_{name}.dlib_resnet: {runs} runs, 0 are done" in text
    assert text.count("left out") == 1
    assert "study_backbones.yaml: no substitute dlib_resnet, it has none." in text
    assert "resnet50" not in text.replace("dlib_resnet", "")


def test_what_the_study_says_is_typed_in_only_where_it_is_known():
    """Its numbers are not known here: an entry that is added needs its source beside it."""
    for file in CONFIGS.glob("study_*.yaml"):
        loaded = load_experiment(file)
        assert list(loaded.settings.published) == [each.name for each in loaded.cells]
        assert set(loaded.settings.published.values()) == {None}


def test_one_backbone_stands_in_for_every_other_and_two_of_it_begin_differently(load):
    made = load("fernet")
    assert made.settings.name == "toy.fernet"
    assert made.substituted == {"mobilenet_vggface2": "fernet_1", "r": "fernet_2"}
    one, two = (cell.configs[1] for cell in made.cells)
    assert [(each.name, each.label, each.width) for each in one.backbones] == [("fernet", "fernet_1", 4)]
    assert [(each.label, each.width, each.seed) for each in two.backbones] == [
        ("fernet_1", 4, None),
        ("fernet_2", 4, 4),
    ]
    assert one.training.batch_size == two.training.batch_size == 16
    seeds = [two.seed_of(training) for training in two.trained()]
    assert len(set(seeds)) == 2
    assert seeds[0] == one.seed_of(one.trained()[0]), "the same network in both cells"
    assert not load().substituted


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"published": {"three": 0.5}}, "published: 'three' is no cell, known are one, two."),
        (
            {"claims": [{"claim": "c", "cell": "two", "than": "three", "expected": "better"}]},
            "claims.0.than: 'three' is no cell, known are one, two.",
        ),
        (
            {"claims": [{"claim": "c", "cell": "two", "than": "two", "expected": "same"}]},
            "claims.0: compares two with itself.",
        ),
        ({"claims": [{"claim": "c", "cell": "two", "than": "one", "expected": "nicer"}]}, "claims.0.expected"),
        ({"substitutes": {"fernet": {"input": 48}}}, "substitutes.fernet.input: unknown key"),
        ({"substitutes": {"fernet": {"backbone": {"widht": 4}}}}, "backbones.0.widht: unknown key"),
        ({"substitutes": {"senet": {}}}, "no substitute fernet, it has senet."),
    ],
)
def test_a_mistake_is_found_before_anything_runs(load, change, message):
    with pytest.raises(ConfigError) as raised:
        load("fernet", **change)
    assert message in str(raised.value)


def test_missing_weights_are_told_before_the_first_run_with_what_else_can_be_run(load):
    with pytest.raises(WeightsError) as raised:
        require_weights([load().cells[0].configs[0]] * 2, " Or else.")
    (line,) = str(raised.value).splitlines()
    assert line.startswith("mobilenet_vggface2: mobilenet_vggface2.weights.h5 is missing and has no download")
    assert line.endswith(" Or else.")
    require_weights([load("fernet").cells[1].configs[0]], "")


def test_several_experiments_have_no_cell_and_no_folder_in_common():
    with pytest.raises(ConfigError, match="--final and --to belong to one"):
        experiment(Path("study"), final=["smote"])
