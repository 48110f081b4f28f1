"""The configuration of a run: the shipped ones are valid, a mistake is a line, and who is trained from which seed."""

import pytest
import yaml

from ferkit.config.loading import load_config
from ferkit.config.run_config import RunConfig
from ferkit.errors import ConfigError
from tests.config.smallest import ROOT, written

BOTH = [{"name": "fer"}, {"name": "ferplus"}]
JOINT = {"name": "fernet", "alias": "j", "joint": True}
STUDENT = {"name": "fernet", "alias": "s", "teacher": "ensemble"}


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_configuration_is_valid_and_survives_being_written_out(path):
    config = load_config(path)
    assert RunConfig.model_validate(yaml.safe_load(config.to_yaml())) == config


def test_shipped_configurations_are_the_quick_start_the_study_and_what_the_reference_models_come_from():
    assert {path.stem for path in (ROOT / "configs").glob("*.yaml")} == {
        "quickstart", "fer2013", "fer2013_cpu", "own_faces", "reference_cpu", "reference_gpu",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainig": {}}, r"trainig: unknown key; did you mean training\? Known: .*backbones"),
        (
            {"training": {"network": {"epochs": 3, "learning_rate": -1}}},
            r"training\.network\.learning_rate: .*greater than 0, found -1",
        ),
        ({"training": {"network": {"epoch": 3}}}, r"training\.network\.epoch: unknown key; did you mean epochs\?"),
        ({"training": {"epochs": 3}}, r"training\.epochs: it is training\.network\.epochs now\.$"),
        (
            {"backbones": [{"name": "fernet", "training": {"warmup_epochs": 0}}]},
            r"fernet\.training\.warmup_epochs: it is backbones\.fernet\.training\.network\.warmup_epochs now\.$",
        ),
        (
            {"backbones": [{"name": "vggfase"}]},
            r"backbones\.0\.name: .*did you mean 'vggface'.*known: dlib_resnet, fernet",
        ),
        ({"backbones": []}, r"backbones: .*at least 1 item"),
        (
            {"backbones": [{"name": "fernet", "training": {"batch_sise": 3}}]},
            r"backbones\.fernet\.training\.batch_sise: unknown key; did you mean batch_size\?",
        ),
        ({"backbones": [{"name": "fernet"}, {"name": "fernet"}]}, r"\['fernet'\] occur twice: give each an alias"),
        ({"backbones": [{"name": "fernet", "alias": "ensemble"}]}, "cannot be called 'ensemble'"),
        (
            {"backbones": [{"name": "fernet", "targets": ["ferplus"]}]},
            r"targets \['ferplus'\] are not among this run's \['fer'\]",
        ),
        ({"ensemble": {"members": ["vggface"]}}, r"ensemble\.members \['vggface'\] are not among"),
        (
            {"ensemble": {"members": ["s"]}, "backbones": [{"name": "fernet"}, STUDENT]},
            r"ensemble\.members \['s'\] learn from the ensemble and have no vote",
        ),
        ({"backbones": [STUDENT]}, r"target fer: \['s'\] learn from its ensemble, but no other backbone is in it"),
        (
            {"targets": BOTH, "backbones": [{"name": "fernet", "targets": ["fer"]}, STUDENT]},
            r"target ferplus: \['s'\] learn from its ensemble",
        ),
        (
            {"targets": BOTH, "backbones": [{"name": "fernet", "targets": ["fer"]}]},
            "target ferplus: no backbone is trained for it",
        ),
        (
            {"backbones": [{"name": "fernet", "joint": True}]},
            r"fernet: joint training needs two targets, it has \['fer'\]",
        ),
        (
            {"targets": BOTH, "backbones": [{"name": "fernet"}, {**JOINT, "targets": ["ferplus"]}]},
            r"j: joint training needs two targets, it has \['ferplus'\]",
        ),
        *(
            (
                {"targets": BOTH, "backbones": [JOINT], "balancing": {"method": method}},
                rf"j: balancing\.method {method} makes pictures.*needs none, random_over_sampler or weighted_sampling",
            )
            for method in ("smote", "adasyn", "augment_disgust")
        ),
        (
            {"targets": BOTH, "backbones": [JOINT, {"name": "fernet", "alias": "ferplus_j", "targets": ["fer"]}]},
            r"two trainings would be called \['fer_ferplus_j'\]",
        ),
        ({"backbones": [{**STUDENT, "teacher": "fernet"}]}, r"backbones\.0\.teacher: .*expected 'ensemble', or a file"),
        (
            {"backbones": [{**STUDENT, "teacher": 3}]},
            r"backbones\.0\.teacher: Input should be 'ensemble' or a path, found 3\.$",
        ),
        (
            {"backbones": [{**STUDENT, "weights": 3}]},
            "weights: Input should be 'pretrained' or 'none' or a path, found 3",
        ),
        ({"training": {"unfreeze": [1]}}, r"training\.unfreeze: .* a valid number or a valid string, found \[1\]"),
        ({"distillation": {"weight": 0}}, r"distillation\.weight: .*greater than 0"),
        ({"prediction": {"crops": "ten"}}, r"prediction\.crops: .*'five'"),
        ({"data": {"source": "fer2014"}}, "'fer2013', 'folder', 'table', 'huggingface', 'published', 'shards', "),
        ({"data": {"source": "fer2013", "pathh": "x"}}, r"data\.fer2013\.pathh: unknown key; did you mean path\?"),
        (
            {"data": {"source": "folder", "path": "x", "count": 3}},
            r"data\.folder\.count: unknown key\. Known: colour, crop, labels, maximum_damaged, path, seed, side",
        ),
        (
            {"data": {"count": 300}},
            r"data\.source: missing, one of fer2013, folder, huggingface, published, shards, synthetic, table\.$",
        ),
        ({"training": {"unfreeze": 7}}, r"training\.unfreeze"),
        (
            {"training": {"network": {"schedule": "plateau", "plateau_patience": 10}, "patience": 10}},
            r"network\.plateau_patience 10: with patience 10 the phase is over before the rate falls; lower it",
        ),
        (
            {"training": {"head": {"schedule": "plateau"}}},
            r"training: head\.plateau_patience 5: with head\.epochs 3 the phase is over",
        ),
        (
            {"backbones": [{"name": "fernet", "training": {"batch_norm": "frozen"}}]},
            r"backbones\.fernet\.training\.batch_norm frozen: fernet starts with random weights",
        ),
        (
            {"training": {"batch_norm": "everywhere"}},
            r"training\.batch_norm everywhere: every backbone starts with random weights",
        ),
        ({"balancing": {"method": "smoot"}}, r"balancing\.method: .*'smote'"),
        ({"targets": [{"name": "fer"}, {"name": "fer"}]}, "each may occur once"),
        ({"resources": {"finetune": {}}}, r"resources\.finetune: unknown key; did you mean fine_tune\?"),
        (
            {"resources": {"fine_tune": {"gpu_cnt": 1}}},
            r"resources\.fine_tune\.gpu_cnt: unknown key; did you mean gpu_count\?",
        ),
        ({"seed": "zero"}, r"seed: .*integer.*found 'zero'"),
    ],
)
def test_a_mistake_is_one_line_that_says_where_and_what_is_known(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message) as raised:
        load_config(written(tmp_path, **change))
    assert len(str(raised.value).splitlines()) == 1
    assert str(raised.value).startswith(str(tmp_path))


def test_several_mistakes_are_a_line_each(tmp_path):
    with pytest.raises(ConfigError) as raised:
        load_config(written(tmp_path, seed=-1, nmae="x", training={"batch_size": 0}))
    assert len(str(raised.value).splitlines()) == 3


def test_a_missing_section_is_named(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("name: x\nbackbones: [{name: fernet}]\n")
    with pytest.raises(ConfigError, match="data: missing"):
        load_config(path)


def test_a_backbone_overrides_part_of_the_training(tmp_path):
    path = written(
        tmp_path,
        training={"batch_size": 16, "head": {"epochs": 7, "learning_rate": 0.1}},
        backbones=[{"name": "mobilenet_vggface2", "training": {"head": {"epochs": 2}}}],
    )
    config = load_config(path)
    training = config.training_of(config.backbones[0])
    assert training.head.epochs == 2
    assert training.head.learning_rate == 0.1
    assert training.batch_size == 16


def test_every_target_and_backbone_is_trained_unless_a_backbone_names_its_targets(tmp_path):
    path = written(
        tmp_path,
        targets=BOTH,
        backbones=[{"name": "fernet", "alias": "a"}, {"name": "fernet", "alias": "b", "targets": ["ferplus"]}],
    )
    assert [training.name for training in load_config(path).trained()] == ["fer-a", "ferplus-a", "ferplus-b"]


def test_a_joint_backbone_is_trained_once_and_students_come_last(tmp_path):
    path = written(
        tmp_path,
        targets=BOTH,
        balancing={"method": "random_over_sampler", "class_weight": True},
        backbones=[STUDENT, {**STUDENT, "alias": "t", "joint": True}, JOINT, {"name": "fernet", "targets": ["fer"]}],
    )
    config = load_config(path)
    assert [training.name for training in config.trained()] == [
        "fer+ferplus-j", "fer-fernet", "fer-s", "fer+ferplus-t", "ferplus-s",
    ]  # fmt: skip
    assert [entry.label for entry in config.members("fer")] == ["j", "fernet"]
    assert [entry.label for entry in config.members("ferplus")] == ["j"]
    assert [entry.label for entry in config.students("ferplus")] == ["s", "t"]


def test_no_two_networks_of_any_runs_have_one_seed(tmp_path):
    names = [{"name": "fernet", "alias": alias} for alias in "abc"]
    explicit = [{"name": "fernet", "alias": f"s{seed}", "seed": seed} for seed in range(3)]
    runs = [load_config(written(tmp_path, seed=seed, targets=BOTH, backbones=[*names, *explicit])) for seed in range(8)]
    # One for both targets where it was asked for.
    seeds = [{run.seed_of(each) for each in run.trained()} for run in runs]
    assert {len(each) for each in seeds} == {2 * 3 + 3}
    assert len(set.union(*seeds)) == 8 * 9
    assert all(0 <= seed < 2**31 for each in seeds for seed in each)


def test_a_backbone_s_seed_means_the_same_network_whatever_it_is_called(tmp_path):
    def seeds(run, alias, **own):
        config = load_config(written(tmp_path, seed=run, backbones=[{"name": "fernet", "alias": alias, **own}]))
        return config.seed_of(config.trained()[0])

    assert seeds(0, "a", seed=1) == seeds(0, "b", seed=1) != seeds(1, "a", seed=1)
    assert seeds(0, "a") != seeds(0, "b")
    assert seeds(0, "a") == seeds(0, "a")
