"""A setting that has no effect where it stands is refused in a line, and one that has is taken."""

import pytest
import yaml

from ferkit.config.loading import load_config
from ferkit.config.run_config import RunConfig
from ferkit.errors import ConfigError
from tests.config.smallest import SMALLEST

FERNET = [{"name": "fernet"}]
PRETRAINED = [{"name": "mobilenet_vggface2"}]
STILL = {"flip": 0, "rotation": 0, "shift": 0, "zoom": 0}
STUDENT = {"name": "fernet", "alias": "s", "teacher": "ensemble"}
MULTI_LABEL = {"name": "ferplus", "train_on": "multi_target"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"momentum": 0.5}}, "training.momentum has no effect: optimizer adamw has none"),
        ({"training": {"unfreeze": 0.5}}, "training.unfreeze has no effect: a network with random weights"),
        ({"training": {"head": {"epochs": 5}}}, "training.head.epochs has no effect: a network with random weights"),
        (
            {"training": {"network": {"plateau_patience": 2}}},
            "training.network.plateau_patience has no effect: training.network.schedule is cosine",
        ),
        ({"training": {"mixing": {"probability": 0.5}}}, "training.mixing.probability has no effect"),
        ({"training": {"augmentation": {"erasing_area": 0.5}}}, "training.augmentation.erasing_area has no effect"),
        (
            {"training": {"network": {"epochs": 3, "warmup_epochs": 3}}},
            "training.network.warmup_epochs 3 leaves schedule cosine nothing of 3",
        ),
        (
            {"backbones": PRETRAINED, "training": {"network": {"epochs": 0, "learning_rate": 0.5}}},
            "training.network.learning_rate has no effect: training.network.epochs is 0",
        ),
        (
            {"backbones": PRETRAINED, "training": {"head": {"epochs": 0, "learning_rate": 0.5}}},
            "training.head.learning_rate has no effect: training.head.epochs is 0",
        ),
        (
            {"backbones": PRETRAINED, "training": {"head": {"augment": False}, "augmentation": STILL}},
            "training.head.augment has no effect: augmentation and mixing change nothing",
        ),
        (
            {
                "backbones": PRETRAINED,
                "training": {"head": {"augment": False}, "network": {"epochs": 0}, "augmentation": {"rotation": 5}},
            },
            "training.augmentation.rotation has no effect: training.network.epochs is 0, so that the head learns "
            "alone, and training.head.augment is false",
        ),
        (
            {"backbones": PRETRAINED, "training": {"network": {"epochs": 0}, "unfreeze": 0.5}},
            "training.unfreeze has no effect: training.network.epochs is 0",
        ),
        (
            {"backbones": PRETRAINED, "training": {"unfreeze": "none", "network": {"layer_decay": 0.9}}},
            "training.network.layer_decay has no effect: unfreeze is none",
        ),
        ({"training": {"network": {"layer_decay": 0.9}}}, "training.network.layer_decay has no effect: a network with"),
        (
            {"backbones": [*PRETRAINED, {"name": "fernet", "training": {"unfreeze": "none"}}]},
            "backbones.fernet.training.unfreeze has no effect",
        ),
        ({"targets": [{"name": "fer", "train_on": "majority"}]}, "targets.fer.train_on has no effect: fer has one"),
        ({"targets": [{"name": "fer", "protocol": "argmax"}]}, "targets.fer.protocol has no effect"),
        (
            {"targets": [{"name": "ferplus", "votes": 0.3}]},
            "targets.ferplus.votes has no effect: it is for the target fer",
        ),
        (
            {"ensemble": {"method": "mean", "objective": "log_loss"}},
            "ensemble.objective has no effect: ensemble.method",
        ),
        ({"balancing": {"ratio": 0.5}}, "balancing.ratio has no effect: balancing.method none does not read it"),
        ({"balancing": {"method": "random_over_sampler", "neighbours": 3}}, "balancing.neighbours has no effect"),
        ({"balancing": {"method": "smote", "disgust_factor": 3}}, "balancing.disgust_factor has no effect"),
        ({"cleaning": {"pixels": False, "threshold": 0.3}}, "cleaning.threshold has no effect"),
        ({"cleaning": {"nf_votes": 8}}, "cleaning.nf_votes has no effect"),
        ({"cleaning": {"exclude": "m.csv", "splits": ["PublicTest"]}}, "cleaning.splits has no effect"),
        (
            {"targets": [MULTI_LABEL], "training": {"label_smoothing": 0.1}},
            "training.label_smoothing has no effect: train_on multi_target",
        ),
        (
            {"targets": [MULTI_LABEL], "backbones": [{**FERNET[0], "training": {"mixing": {"mixup": 0.2}}}]},
            "backbone fernet: training.mixing cannot work with targets.ferplus.train_on multi_target",
        ),
        (
            {"targets": [MULTI_LABEL], "backbones": [*FERNET, STUDENT]},
            "backbone s: teacher cannot work with targets.ferplus.train_on multi_target",
        ),
        ({"distillation": {"weight": 0.5}}, "distillation.weight has no effect: no backbone has a teacher"),
        ({"resources": {"teach": {"cpu_count": 1}}}, "resources.teach has no effect"),
        ({"registry": {"register": False, "singles": True}}, "registry.singles has no effect: registry.register is"),
        ({"registry": {"register": False, "promote": True}}, "registry.promote has no effect"),
        ({"registry": {"gate": {"change": {"margin": 0.1}}}}, "registry.gate.change.margin has no effect: require is"),
        (
            {"registry": {"gate": {"change": {"require": "not_worse", "least": 0.1}}}},
            "registry.gate.change.least has no effect",
        ),
    ],
)
def test_a_setting_without_effect_is_refused_in_a_line(tmp_path, change, message):
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump({**SMALLEST, **change}))
    with pytest.raises(ConfigError) as raised:
        load_config(file)
    assert message in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"training": {"optimizer": "sgd", "momentum": 0.5}},
        # One of two reads it.
        {"backbones": [*PRETRAINED, *FERNET], "training": {"unfreeze": 0.5, "head": {"epochs": 2}}},
        {"backbones": [*FERNET, STUDENT], "distillation": {"weight": 0.5}},
        {"training": {"network": {"epochs": 1}}},
        {"ensemble": {"objective": "log_loss"}},
        # The head for fer reads it.
        {"targets": [{"name": "fer"}, MULTI_LABEL], "training": {"label_smoothing": 0.1}},
        {"targets": [{"name": "fer"}, MULTI_LABEL], "backbones": [*FERNET, {**STUDENT, "targets": ["fer"]}]},
    ],
)
def test_a_setting_with_an_effect_is_taken_and_written_out_with_every_default(change):
    config = RunConfig.model_validate({**SMALLEST, **change})
    assert RunConfig.model_validate(yaml.safe_load(config.to_yaml())) == config
