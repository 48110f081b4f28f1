"""The documentation is held to the code: settings and their defaults, links."""

import pkgutil
import re
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from ferkit.config import run_config as run
from ferkit.config.loading import load_config
from ferkit.config.yaml_text import read_yaml
from ferkit.data.targets import TargetSettings
from ferkit.evaluation.evaluate import EvaluationSettings
from ferkit.models.ensemble import EnsembleSettings
from ferkit.models.selection import SelectionSettings
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.preparation.balancing import BalancingSettings
from ferkit.preparation.cleaning import CleaningSettings
from ferkit.preparation.validation_settings import ValidationSettings
from ferkit.promotion.settings import ChangeSettings, FloorSettings, GateSettings, RegistrySettings
from ferkit.serving.settings import ServingSettings
from ferkit.sources import (
    ColumnSettings,
    Fer2013Settings,
    FolderSettings,
    HuggingFaceSettings,
    PublishedSettings,
    ShardSettings,
    SyntheticSettings,
    TableSettings,
)
from ferkit.sources.split_settings import FoldSettings
from ferkit.stacks.settings import AcceleratorSettings, ComponentSettings, ImageSettings, StackSettings, Toleration
from ferkit.training.augmentation import AugmentationSettings
from ferkit.training.distillation import DistillationSettings
from ferkit.training.execution import ExecutionSettings
from ferkit.training.mixing import MixingSettings
from ferkit.training.settings import HeadPhaseSettings, NetworkPhaseSettings, TrainingSettings

ROOT = Path(__file__).parents[2]
ROOMS = "ferkit|pipelines|steps|materializers|configs|tests|benchmarks|examples|docs"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
SECTIONS = {
    "Top level": run.RunConfig,
    "data: fer2013": Fer2013Settings,
    "data: folder": FolderSettings,
    "data: table": TableSettings,
    "data: columns of a table": ColumnSettings,
    "data: huggingface": HuggingFaceSettings,
    "data: published": PublishedSettings,
    "data: shards": ShardSettings,
    "data: folds": FoldSettings,
    "data: synthetic": SyntheticSettings,
    "validation": ValidationSettings,
    "cleaning": CleaningSettings,
    "balancing": BalancingSettings,
    "targets": TargetSettings,
    "backbones": run.BackboneEntry,
    "training": TrainingSettings,
    "training.head": HeadPhaseSettings,
    "training.network": NetworkPhaseSettings,
    "training.augmentation": AugmentationSettings,
    "training.mixing": MixingSettings,
    "training.execution": ExecutionSettings,
    "selection": SelectionSettings,
    "distillation": DistillationSettings,
    "ensemble": EnsembleSettings,
    "prediction": TestTimeAugmentation,
    "evaluation": EvaluationSettings,
    "registry": RegistrySettings,
    "registry.gate": GateSettings,
    "registry.gate.floors": FloorSettings,
    "registry.gate.change": ChangeSettings,
    "resources": run.Resources,
    "resources: a request": run.ResourceRequest,
}
STACK_SECTIONS = {
    "The stack file": StackSettings,
    "A component": ComponentSettings,
    "image": ImageSettings,
    "accelerator": AcceleratorSettings,
    "tolerations": Toleration,
}
TABLES = [
    *(("configuration", heading, settings) for heading, settings in SECTIONS.items()),
    *(("cluster", heading, settings) for heading, settings in STACK_SECTIONS.items()),
]


def settings_in(annotation):
    """Every settings class in a type annotation, and in the fields of those."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from settings_in(field.annotation)
    for part in get_args(annotation):
        yield from settings_in(part)


def documented(page, heading):
    """Keys and defaults in the tables of a page below `heading`, up to the next one."""
    text = (ROOT / "docs" / "guides" / f"{page}.md").read_text()
    body = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return {key: default.strip("`") for key, default in re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", body, re.MULTILINE)}


def written(name, field):
    """The default of a field as the documentation writes it."""
    default = field.get_default(call_default_factory=True)
    # A union is told apart by this key: it has to be there.
    if field.is_required() or name == "source":
        return "required"
    if isinstance(default, BaseModel):
        return "section"
    if default == (TargetSettings(),):
        return f"[{{name: {default[0].name}}}]"
    if isinstance(default, tuple):
        return f"[{', '.join(default)}]"
    if default is None or isinstance(default, bool):
        return {None: "null", True: "true", False: "false"}[default]
    return str(default)


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_settings_class_has_a_section():
    assert set(settings_in(run.RunConfig)) == set(SECTIONS.values())
    assert set(settings_in(StackSettings)) == set(STACK_SECTIONS.values())


@pytest.mark.parametrize(("page", "heading", "settings"), TABLES, ids=[heading for _, heading, _ in TABLES])
def test_keys_and_defaults_are_those_of_the_code(page, heading, settings):
    expected = {field.alias or name: written(name, field) for name, field in settings.model_fields.items()}
    assert documented(page, heading) == expected


def valid(taken, value):
    """What a setting makes of a value, None if that is refused."""
    try:
        return taken.validate_python(value)
    except ValidationError:
        return None


def words_of(annotation):
    """Every word that a setting may be."""
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
        return
    for part in get_args(annotation):
        yield from words_of(part)


@pytest.mark.parametrize(("page", "heading", "settings"), TABLES, ids=[heading for _, heading, _ in TABLES])
def test_every_value_can_be_written_without_quotes(page, heading, settings):
    """YAML 1.1 makes booleans of on, off, yes and no, text of 1e-4, and dates of what looks like one."""
    defaults = documented(page, heading)
    for name, field in settings.model_fields.items():
        taken = TypeAdapter(field.annotation)
        key = field.alias or name
        for word in (*words_of(field.annotation), *((True, False) if field.annotation is bool else ())):
            written_so = str(word).lower() if isinstance(word, bool) else word
            read = read_yaml(f"{key}: {written_so}")[key]
            assert (type(read), read) == (type(word), word), key
            # A list of such words otherwise.
            assert {word, (word,)} & {valid(taken, read), valid(taken, [read])}, key
        if defaults[key] not in ("required", "section"):
            default = field.get_default(call_default_factory=True)
            assert taken.validate_python(read_yaml(f"{key}: {defaults[key]}")[key]) == default, key


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("data.ferplus=off", lambda config: config.data.ferplus == "off"),
        ("training.execution.compile=on", lambda config: config.training.execution.compile == "on"),
        ("training.execution.compile=off", lambda config: config.training.execution.compile == "off"),
        ("training.network.learning_rate=1e-4", lambda config: config.training.network.learning_rate == 1e-4),
        ("training.unfreeze=1e-1", lambda config: config.training.unfreeze == 0.1),
        ("experiment=2024-01-01", lambda config: config.experiment == "2024-01-01"),
        ("name='1e5'", lambda config: config.name == "1e5"),
        ("name=no", lambda config: config.name == "no"),
        ("balancing.class_weight=yes", lambda config: config.balancing.class_weight is True),
    ],
)
def test_bare_words_mean_the_same_in_a_file_and_on_the_command_line(tmp_path, setting, found):
    assert found(load_config(ROOT / "configs" / "fer2013.yaml", [setting]))
    content = yaml.safe_load((ROOT / "configs" / "fer2013.yaml").read_text())
    key, _, value = setting.partition("=")
    *parents, last = key.split(".")
    node = content
    for part in parents:
        node = node.setdefault(part, {})
    node[last] = "WRITTEN"
    file = tmp_path / "bare.yaml"
    file.write_text(yaml.safe_dump(content).replace("WRITTEN", value))
    assert found(load_config(file))
    # What is written out again with quotes where version 1.1 needs them is read back as it was.
    file.write_text(load_config(file).to_yaml())
    assert found(load_config(file))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_threat_model_names_every_limit_of_the_service():
    """SECURITY.md says what each setting is for that a stranger meets; the others choose the model and the address."""
    named = set(re.findall(r"`(\w+)`", (ROOT / "SECURITY.md").read_text()))
    others = {"host", "port", "detector", "bundle", "cache", "reload_seconds"}
    assert set(ServingSettings.model_fields) - others <= named
    assert {name for name in named if re.match(r"most_|\w+_seconds$|rate_", name)} <= set(ServingSettings.model_fields)


@pytest.mark.parametrize("page", PAGES)
def test_files_and_names_that_are_told_exist(page):
    if page == "CHANGELOG.md":
        # What was there once.
        return
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for path in re.findall(rf"`((?:{ROOMS})/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path
    for name in re.findall(r"`(ferkit(?:\.[a-z_]+){2,}(?:\.\w+)*)`", text):
        assert pkgutil.resolve_name(name) is not None
