"""The report of a run: its numbers, figures and names in both forms, and a page that fetches and runs nothing."""

import re
from dataclasses import replace
from io import BytesIO

import markdown
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferkit.data.dataset import FaceDataset
from ferkit.data.labels import Target, class_names
from ferkit.data.targets import TargetSettings
from ferkit.evaluation.evaluate import evaluate
from ferkit.models.ensemble import Ensemble
from ferkit.models.predictions import Predictions
from ferkit.preparation.balancing import BalancingSettings, oversample
from ferkit.reporting.content import ReportContent
from ferkit.reporting.report import Report, build_report
from tests.reporting.html_page import Page
from tests.reporting.run_content import SETTINGS, judged, make_content, make_faces


@pytest.fixture(scope="module")
def content() -> ReportContent:
    return make_content()


@pytest.fixture(scope="module")
def report(content: ReportContent) -> Report:
    return build_report(content).titled("study_<1>")


def rendered(report: Report) -> Page:
    return Page(markdown.markdown(report.markdown, extensions=["tables", "fenced_code"]))


def test_every_number_of_the_evaluations_is_in_both_forms(content: ReportContent, report: Report) -> None:
    for page in (Page(report.html), rendered(report)):
        lines = {tuple(row) for row in page.rows}
        for evaluation in content.evaluations:
            for subset, scores in evaluation.scores.items():
                percent = {
                    name: f"{100 * getattr(scores, name):.1f}"
                    for name in (
                        "accuracy",
                        "accuracy_low",
                        "accuracy_high",
                        "macro_f1",
                        "macro_f1_low",
                        "macro_f1_high",
                    )
                }
                expected = (
                    subset,
                    str(scores.count),
                    evaluation.model,
                    f"{percent['accuracy']} % [{percent['accuracy_low']}, {percent['accuracy_high']}]",
                    f"{percent['macro_f1']} % [{percent['macro_f1_low']}, {percent['macro_f1_high']}]",
                    f"{scores.expected_calibration_error:.3f}",
                    f"{scores.log_loss:.3f}",
                )
                assert expected in lines
            recall = evaluation.scores["PrivateTest"].recall
            cells = ["-" if np.isnan(value) else f"{100 * value:.1f} %" for value in recall]
            assert ("PrivateTest", evaluation.model, *cells) in lines


def test_the_data_is_counted_after_each_step(content: ReportContent, report: Report) -> None:
    lines = {tuple(row) for row in Page(report.html).rows}
    assert ("as read", "240", "80", "80", "80", "35", "35", "34", "34", "34", "34", "34") in lines
    assert ("cleaned", "237", "77", "80", "80", "34", "34", "33", "34", "34", "34", "34") in lines
    for target, training_set in content.training_sets.items():
        assert ("before", "80" if target == "fer" else str(training_set.counts_before.sum())) == next(
            line[:2] for line in lines if line[2:] == tuple(map(str, training_set.counts_before))
        )
        assert any(line[2:] == tuple(map(str, training_set.counts_after)) for line in lines)
    assert "25 rows" in report.markdown
    assert "And 5 more" in report.markdown
    assert "3 pictures found, 2 dropped" in report.markdown


def test_the_page_fetches_nothing_and_runs_nothing(report: Report) -> None:
    page = Page(report.html)
    inside = [address for address in page.addresses if not address.startswith("data:image/png;base64,")]
    assert inside
    assert all(address.startswith("#") and address[1:] in page.anchors for address in inside)
    assert "script" not in page.tags
    assert "&lt;script&gt;" in report.html
    assert not re.search(r"@import|url\(", report.html)


def test_markdown_names_every_figure_and_each_is_a_picture(report: Report) -> None:
    named = re.findall(r"\]\(figures/([^)]+)\)", report.markdown)
    assert sorted(named) == sorted(report.figures)
    assert len(named) == len(set(named))
    for name, png in report.figures.items():
        assert re.fullmatch(r"[A-Za-z0-9_]+\.png", name)
        assert min(Image.open(BytesIO(png)).size) > 50
    for model in ("fernet", "ensemble"):
        for figure in ("confusion_PrivateTest", "reliability", "right", "wrong"):
            for target in ("fer", "ferplus"):
                assert f"{target}_{model}_{figure}.png" in report.figures
    assert "fer_fernet_curves.png" in report.figures
    assert "fer_ensemble_weights.png" in report.figures
    assert "ferplus_made_faces.png" in report.figures
    assert "dropped.png" in report.figures


def test_a_vote_of_one_network_has_the_figures_of_that(content: ReportContent) -> None:
    alone = {"fer": Ensemble("fer", "mean", ("fernet",), (1.0,))}
    report = build_report(replace(content, ensembles={**content.ensembles, **alone}))
    assert "A vote of fernet alone answers as that network does" in report.markdown
    assert not [name for name in report.figures if name.startswith("fer_ensemble")]
    assert {"fer_fernet_reliability.png", "ferplus_ensemble_reliability.png"} <= {*report.figures}


def test_the_model_that_public_test_chose_stands_out(content: ReportContent, report: Report) -> None:
    best = max(content.evaluations[:2], key=lambda each: each.scores["PublicTest"].accuracy).model
    assert f"labels FER-2013: {best} is best on PublicTest" in report.markdown.splitlines()[2]
    rows = re.findall(r"^\| \*\*PrivateTest\*\* .*$", report.markdown, flags=re.MULTILINE)
    assert [f"**{best}**" in row for row in rows] == [True, True]


def test_the_run_is_told(content: ReportContent, report: Report) -> None:
    lines = [tuple(row) for row in Page(report.html).rows]
    for line in (
        ("seed", "42"),
        ("data hash (sha256)", content.data_hash),
        ("git commit", "0123abc"),
        ("keras", "3.15.1"),
    ):
        assert line in lines
    assert content.config in report.markdown
    assert "study_<1>" not in report.html
    assert "study_&lt;1&gt;" in report.html


def test_joint_trainings_are_shown_once_and_students_are_marked(content: ReportContent) -> None:
    history = content.histories["fer", "fernet"].assign(
        **{"val_accuracy/fer": [0.1, 0.2], "val_accuracy/ferplus": [0.3, 0.4]}
    )
    evaluations = [*content.evaluations]
    evaluations += [replace(each, model="small") for each in content.evaluations if each.model == "fernet"]
    changed = replace(
        content,
        evaluations=evaluations,
        histories={("fer+ferplus", "fernet"): history, ("fer", "small"): history, ("ferplus", "small"): history},
        students=frozenset({"small"}),
    )
    report = build_report(changed)
    assert {name for name in report.figures if "curves" in name} == {
        "fer_ferplus_fernet_curves.png", "fer_small_curves.png", "ferplus_small_curves.png",
    }  # fmt: skip
    headings = re.findall(r"^### (.+)$", report.markdown, flags=re.MULTILINE)
    assert {"fer+ferplus/fernet (joint): training", "ferplus/fernet (joint)", "fer/small (student)"} <= set(headings)
    assert {"fer/ensemble", "ferplus/ensemble"} <= set(headings)
    for named in ("fernet (joint)", "small (student)"):
        assert report.markdown.count(f"| PublicTest | {named} |") == 2, "a line of recalls for each target"
    for told in ("further annotation", "has no vote"):
        assert told in report.markdown
        assert told not in build_report(content).markdown


def test_a_run_without_findings_histories_or_votes() -> None:
    faces = make_faces()
    plain = FaceDataset(faces.images, faces.label, faces.split, faces.row)
    nothing = pd.DataFrame({"row": [], "split": [], "score": [], "reason": [], "dropped": []})
    report = build_report(
        make_content(
            commit=None,
            stages={"as read": plain},
            quarantined=nothing[["row", "reason"]],
            manifest=nothing,
            training_sets={"fer": oversample(plain, TargetSettings(), BalancingSettings(), 0)},
            histories={},
            ensembles={},
            evaluations=[judged(plain, TargetSettings(), "fernet", 1.0)],
        )
    )
    assert "not in a git checkout" in report.markdown
    assert "0 pictures found" in report.markdown
    assert not [name for name in report.figures if name.startswith("ferplus") or "curves" in name or "made" in name]


def test_pictures_that_were_not_predicted_are_told() -> None:
    faces = make_faces()
    asked = faces.of_split("PrivateTest").row[4:]
    predictions = Predictions("fer", "PrivateTest", asked, np.full((76, 7), 1 / 7, dtype=np.float32))
    evaluation = evaluate("fernet", [predictions], faces, TargetSettings(), SETTINGS, seed=0)
    report = build_report(make_content(evaluations=[evaluation], training_sets={}))
    assert "| 76 of 80 |" in report.markdown.replace("**", "")


def test_class_names_head_the_recall_table(report: Report) -> None:
    headers = [row for row in rendered(report).rows if row[:2] == ["Subset", "Model"]]
    targets: tuple[Target, ...] = ("fer", "ferplus")
    assert headers == [["Subset", "Model", *class_names(target)] for target in targets]


def test_a_report_bears_the_names_that_the_data_has() -> None:
    drawn = make_faces()
    classes = ("calm", "tense", "bored", "spare")
    faces = replace(drawn, label=(np.arange(len(drawn)) % 4).astype(np.int8), votes=None, classes=classes)
    target = TargetSettings(name="mood", map={"spare": None})
    report = build_report(
        make_content(
            stages={"as read": faces},
            manifest=pd.DataFrame(columns=["row", "split", "score", "reason", "dropped"]),
            training_sets={"mood": oversample(faces, target, BalancingSettings(), 0)},
            histories={},
            ensembles={},
            evaluations=[judged(faces, target, "fernet", 1.5)],
        )
    )
    assert (
        "| Stage | Pictures | Training | PublicTest | PrivateTest | calm | tense | bored | spare |" in report.markdown
    )
    assert "| Subset | Model | calm | tense | bored |" in report.markdown
    assert "|  | Examples in an epoch | calm | tense | bored |" in report.markdown
    assert "surprise" not in report.markdown
    assert "mood_class_counts.png" in report.figures
