"""Models are exported from a run: what is written, what is chosen or kept, and what is refused."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from ferkit.bundles.bundle import load_bundle
from ferkit.bundles.parity import ParityError
from ferkit.errors import DataError
from ferkit.models.test_time_augmentation import TestTimeAugmentation
from ferkit.release.choice import choose
from ferkit.release.export_reference import Choice, export_reference
from ferkit.release.scores_table import published_table, read_scores
from ferkit.release.sources import Sources
from ferkit.release.trainings import Trainings
from ferkit.standalone.folder import RunFolder
from tests.release.exported_run import CONFIG, ferkit, write_csv


def test_the_folder_holds_what_ships_and_no_more(exported):
    assert sorted(each.name for each in exported.iterdir()) == sorted(
        [
            *("reference.json", "MODEL_CARD.md", "config.yaml", "training.log", "scores.csv", "answers.npz"),
            *("fer+ferplus-both.npz", "fer-single.npz", "fer+ferplus-small.npz", "fer+ferplus-small.tflite"),
            *("profile.json", "trainings.json"),
        ]
    )


def test_no_place_of_the_training_machine_is_published(run, exported):
    assert (exported / "training.log").read_text() == "wrote file.txt, 1/2 of it\n"
    for file in exported.iterdir():
        assert str(run).encode() not in file.read_bytes()


def test_the_model_card_tells_what_it_must(exported):
    card = (exported / "MODEL_CARD.md").read_text()
    assert published_table(read_scores(exported)) in card
    for word in ("inner state", "Article 5(1)(f)", "547", "ferkit evaluate reference", "`both`", "`small`", "Licence"):
        assert word in card
    assert not re.search(r"\{[a-z_]+\}", card)
    temperature = load_bundle(exported).card.targets["fer"].vote.temperature
    assert f"| {temperature:.3f} |" in card


def test_what_ships_is_kept_and_gets_another_default_network(exported, run, faces, tmp_path):
    second = Path(shutil.copytree(run, tmp_path / "later"))
    for name in ("fer-single", "fer+ferplus-both"):
        shutil.rmtree(second / "trainings" / name)
    page = tmp_path / "page.md"
    page.write_text("<!-- reference -->\nold\n<!-- /reference -->\n")
    data = write_csv(faces, tmp_path)
    done = ferkit(
        "export-reference", second, "--keep", exported, "--data", data, "--default", "small", "--to", tmp_path / "new",
        "--update", page,
    )  # fmt: skip
    assert (done.returncode, page.read_text().count("old")) == (1, 1), done.stderr
    assert "page.md: left as it was, a published table is of the whole data" in " ".join(done.stderr.split())
    before, made = load_bundle(exported), load_bundle(tmp_path / "new")
    for target in before.targets:
        assert made.card.targets[target].vote.weights == before.card.targets[target].vote.weights
    assert made.card.networks_of("default") == {"fer+ferplus-small-later"}
    assert {"config.yaml", "config-later.yaml"} < {each.name for each in made.folder.iterdir()}
    trainings = Trainings.read(made.folder)
    assert trainings.networks.keys() == made.card.networks.keys()
    assert trainings.commands[:2] == Trainings.read(exported).commands
    assert trainings.commands[3].startswith(
        "ferkit export-reference later --keep reference --data data --default small"
    )
    pictures = faces.of_split("PrivateTest").images
    np.testing.assert_allclose(made.predict(pictures, model="vote"), before.predict(pictures, model="vote"), atol=0.02)


def test_a_member_of_the_vote_that_is_kept_may_answer_by_default_too(exported, run, faces, tmp_path):
    made = export_reference([], tmp_path / "new", faces, Choice(default="both"), keep=exported)
    before = load_bundle(exported)
    for target in before.targets:
        assert made.card.targets[target].vote.weights == before.card.targets[target].vote.weights
    assert made.card.networks_of("default") == {"fer+ferplus-both-default"}
    both, again = (made.card.networks[name] for name in ("fer+ferplus-both", "fer+ferplus-both-default"))
    assert (again.file, again.sha256, again.label, both.litert) == (both.file, both.sha256, "both", None)
    assert {each.name for each in made.folder.glob("fer*")} == {
        "fer+ferplus-both.npz", "fer-single.npz", "fer+ferplus-both-default.tflite"
    }  # fmt: skip
    pictures = faces.of_split("PrivateTest").images
    once = made.network("fer+ferplus-both").predict(pictures[..., None], verbose=0)["ferplus"]
    said = made.predict(pictures, "ferplus") ** made.card.targets["ferplus"].default.temperature
    np.testing.assert_allclose(said / said.sum(axis=1, keepdims=True), once, atol=0.02)
    np.testing.assert_allclose(made.predict(pictures, model="vote"), before.predict(pictures, model="vote"), atol=0.02)
    card = (made.folder / "MODEL_CARD.md").read_text()
    assert ": 2 networks, " in card
    assert card.count("\n| `both` | fernet, ") == 1
    # Kept once more, and named once more, it is still one network of two models.
    for choice in (Choice(), Choice(default="both"), Choice(members=("both", "single"))):
        again = choose(Sources.read([], made.folder), choice)
        assert {each.name for each in again.networks} == made.card.networks.keys()
        assert [each.name for each in again.default] == ["fer+ferplus-both-default"]


def test_an_export_that_says_something_else_is_refused_and_leaves_nothing(run, faces, tmp_path):
    other = Path(shutil.copytree(run, tmp_path / "run"))
    folder = RunFolder(other).member("fer-single")
    stored = folder.read_predictions("fer", "PublicTest")
    shuffled = np.roll(stored.probabilities, 1, axis=1)
    folder.write_predictions(type(stored)("fer", "PublicTest", stored.row, shuffled))
    with pytest.raises(
        ParityError, match=r"fer-single does not say what the trained networks say: fer: largest difference 0\."
    ):
        export_reference([other], tmp_path / "to" / "reference", faces, Choice())
    assert not list((tmp_path / "to").iterdir())


def test_too_large_names_the_largest(run, faces, tmp_path, monkeypatch):
    monkeypatch.setattr("ferkit.release.export_reference.LARGEST_BYTES", 20_000)
    with pytest.raises(DataError, match=r"at most 0 MB may ship: .*Name fewer members"):
        export_reference([run], tmp_path / "reference", faces, Choice())


def test_members_and_views_can_be_chosen_and_what_was_there_is_replaced(run, faces, tmp_path):
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "old.npz").touch()
    with pytest.raises(DataError, match=r"files but no reference\.json"):
        export_reference([run], tmp_path / "reference", faces, Choice())
    (tmp_path / "reference" / "reference.json").touch()
    choice = Choice(members=("single",), tta="ten_crop")
    bundle = export_reference([run], tmp_path / "reference", faces, choice)
    assert bundle.targets == ("fer",)
    assert bundle.card.tta["vote"] == TestTimeAugmentation(flip=True, crops="five")
    assert bundle.card.tta["default"] == TestTimeAugmentation()
    views = "--views ten_crop --default-views once --tiny-views once"
    command = f"ferkit export-reference toy --data data --members single {views}"
    assert command in (tmp_path / "reference" / "MODEL_CARD.md").read_text()
    assert bundle.card.networks_of("default") == {"fer+ferplus-small"}
    assert not (tmp_path / "reference" / "old.npz").exists()
    with pytest.raises(DataError, match="no finished training of nobody; there are both, single, small"):
        export_reference([run], tmp_path / "reference", faces, Choice(members=("nobody",)))


def test_several_runs_are_told_apart(run, faces, tmp_path):
    second = Path(shutil.copytree(run, tmp_path / "seed-1"))
    shutil.rmtree(second / "trainings" / "fer+ferplus-small")
    bundle = export_reference([run, second], tmp_path / "reference", faces, Choice(members=("single",)))
    assert {"fer-single-toy", "fer-single-seed-1"} < set(bundle.card.networks)
    assert (tmp_path / "reference" / "config-seed-1.yaml").is_file()
    card = (tmp_path / "reference" / "MODEL_CARD.md").read_text()
    assert "\n    python -m ferkit.standalone config-seed-1.yaml --out seed-1 --set data.path=data\n" in card
    same = Path(shutil.copytree(run, tmp_path / "other" / "toy"))
    before, _, after = CONFIG.to_yaml().rpartition("protocol: majority")
    RunFolder(second).write_config(f"{before}protocol: argmax{after}")
    with pytest.raises(DataError, match="targets or their protocols are not those"):
        export_reference([run, second], tmp_path / "reference", faces, Choice(members=("single",)))
    with pytest.raises(DataError, match="two run folders have the same name"):
        export_reference([run, same], tmp_path / "reference", faces, Choice(members=("single",)))


def test_the_command_exports(run, faces, tmp_path):
    data = write_csv(faces, tmp_path)
    done = ferkit("export-reference", run, "--data", data, "--members", "single", "--to", tmp_path / "reference")
    assert done.returncode == 0, done.stderr
    assert "same class" in done.stderr
    assert load_bundle(tmp_path / "reference").targets == ("fer",)
