"""Exported models are judged: the table of scores, and the answers that were published."""

import pandas as pd
import pytest

from ferkit.cli.commands.evaluate import reference as judge
from ferkit.data.targets import TargetSettings, labelled
from ferkit.errors import ConfigError, DataError
from ferkit.release.answers import KeptAnswers
from ferkit.release.evaluate_bundle import evaluate_bundle
from ferkit.release.scores_table import missing_pictures, published_table, read_scores
from tests.release.exported_run import ferkit, write_csv


def test_the_table_has_every_model_and_is_made_again_from_the_weights(exported, bundle, faces):
    judged = evaluate_bundle(bundle, faces)
    pd.testing.assert_frame_equal(judged.scores, read_scores(exported), check_dtype=False)
    assert published_table(judged.scores) == published_table(read_scores(exported))
    models = judged.scores[["target", "model", "role"]].drop_duplicates()
    assert sorted(map(tuple, models.to_numpy())) == [
        ("fer", "both", "member"),
        ("fer", "default", "default"),
        ("fer", "single", "member"),
        ("fer", "vote", "vote"),
        ("ferplus", "both", "member"),
        ("ferplus", "default", "default"),
        ("ferplus", "vote", "vote"),
    ]
    assert set(judged.scores["subset"]) == {
        "PublicTest", "PublicTest, no duplicates", "PrivateTest", "PrivateTest, no duplicates",
    }  # fmt: skip


def test_the_table_gives_the_accuracy_that_the_pictures_give(exported, bundle, faces):
    scores = read_scores(exported).set_index(["target", "model", "subset"])
    for target, model in (("fer", "vote"), ("ferplus", "default")):
        pictures, labels = labelled(faces.of_split("PrivateTest"), TargetSettings(name=target))
        said = bundle.predict_split(faces, target, "PrivateTest", model=model)
        line = scores.loc[(target, model, "PrivateTest")]
        assert line["pictures"] == len(pictures)
        assert line["accuracy"] == pytest.approx((said.label == labels.argmax(axis=1)).mean())
    at = labelled(faces.of_split("PublicTest"), TargetSettings(name="ferplus"))[0]
    assert scores.loc[("ferplus", "vote", "PublicTest"), "pictures"] == len(at)


def test_published_answers_are_recognised_and_others_are_not(exported, bundle, faces):
    published = KeptAnswers.read(exported)
    again = evaluate_bundle(bundle, faces, limit=10).answers
    assert set(again.classes) == {"fer vote", "fer default", "ferplus vote", "ferplus default"}
    both, same = published.agreement(again, "fer vote")
    assert (both, same) == (20, 20)
    wrong = KeptAnswers(again.picture, {"fer vote": (again.classes["fer vote"] + 1) % 7})
    assert published.agreement(wrong, "fer vote") == (20, 0)
    assert (exported / "answers.npz").stat().st_size < 100_000


def test_a_limit_says_how_many_pictures_are_missing(bundle, faces):
    scores = evaluate_bundle(bundle, faces, limit=10).scores
    assert "10 pictures of PrivateTest (FER-2013) instead of 3,589" in missing_pictures(scores)
    text = published_table(scores)
    assert text.startswith("Not the whole of FER-2013: ")
    assert "| 10 of 24 |" in text


def test_a_split_without_pictures_is_an_error(bundle, faces):
    with pytest.raises(DataError, match="no picture of PrivateTest"):
        evaluate_bundle(bundle, faces.take(faces.split < 2))


def test_the_command_evaluates_and_updates_a_page_only_with_all_pictures(exported, faces, tmp_path):
    data = write_csv(faces, tmp_path)
    page = tmp_path / "page.md"
    page.write_text("<!-- reference -->\nold\n<!-- /reference -->\n")
    table = tmp_path / "made" / "table.md"
    done = ferkit("evaluate", "reference", "--data", data, "--reference", exported, "--to", table, "--update", page)
    assert "fer vote: 48 of 48 answers" in " ".join(done.stdout.split()), done.stderr
    assert table.read_text().strip() == published_table(read_scores(exported))
    assert done.returncode == 1
    assert "left as it was" in done.stderr
    assert "Traceback" not in done.stderr
    assert "old" in page.read_text()


def test_models_that_were_never_published_are_judged_and_compared_with_nothing(copy, faces, tmp_path, capsys):
    """As a bundle of the registry is: no answers are kept with it."""
    (copy / "answers.npz").unlink()
    judge(data=write_csv(faces, tmp_path), model=str(copy), to=None, update=None, limit=5)
    said = " ".join(capsys.readouterr().out.split())
    assert "| both | PrivateTest, no duplicates |" in said
    assert "answers are those" not in said
    with pytest.raises(ConfigError, match=r"models:/ferkit/1/2: no such model, expected FILE\.keras"):
        judge(data=tmp_path, model="models:/ferkit/1/2", to=None, update=None, limit=5)
