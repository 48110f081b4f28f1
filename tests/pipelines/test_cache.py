"""What a run takes from the cache of the runs before it, what it makes anew, and what is left once runs are removed.

In their order: each test begins with what the one before left.
"""

import re
import shutil
from pathlib import Path

import mlflow
import numpy as np
import pytest

from ferkit.config.run_config import RunConfig
from ferkit.sources import load
from ferkit.training.teacher_file import write_teacher_file
from tests.toys.checkout import SMALL, TINY, checkout_after_first_run


def networks(*backbones):
    """The options of a run with these networks, of one target: what the cache goes by, in half of the steps."""
    return (
        *("--set", "targets=[{name: fer}]"),
        *("--set", f"backbones=[{', '.join(f'{{{SMALL}, {each}}}' for each in backbones)}]"),
        *("--set", "registry.promote=true"),
        *("--set", "registry.gate.floors={accuracy: 0, macro_f1: 0, recall: 0, expected_calibration_error: 1}"),
    )


# A member, which the first run trained, and a student.
MEMBER, STUDENT = "alias: a", "alias: p, teacher: ensemble"
TWO_NETWORKS = networks(MEMBER, STUDENT)
# The student learns from two members, the first of which stays as it was.
OTHER_ANSWERS = ("--set", "prediction.flip=true", "--set", "distillation.weight=0.5")


@pytest.fixture(scope="module")
def two_networks(tmp_path_factory):
    """A checkout after the first run and one of the two networks, at whose end the gate was asked."""
    checkout = checkout_after_first_run(tmp_path_factory.mktemp("checkout"))
    checkout.of_two = checkout.run(*TWO_NETWORKS)
    return checkout


@pytest.fixture(scope="module")
def taught(two_networks):
    """The options of a run with another member, which a file with stored answers teaches."""
    return networks(MEMBER, f"alias: b, teacher: {two_networks.root / 'answers.npz'}", STUDENT) + OTHER_ANSWERS


def test_the_gate_is_asked_at_the_end_of_a_run_if_the_configuration_says_so(two_networks):
    assert {"teach_fer", "distil_fer", "fine_tune_fer_p", "promote"} <= set(two_networks.of_two)
    assert not {"ingest", "oversample_fer", "fine_tune_fer_a"} & set(two_networks.of_two), "another run made them"
    client = mlflow.MlflowClient(f"sqlite:///{two_networks.home / 'mlflow.db'}")
    assert str(client.get_registered_model("ferkit").aliases["champion"]) == "2"


def as_plan(output):
    lines = re.findall(r"(?m)^(\w+) +(cached|runs|follows) *(.*?) *$", output)
    return {name: f"{action} {why}".strip() for name, action, why in lines}


def follow(plan):
    return {name for name, why in plan.items() if why.startswith("follows")}


def run(plan):
    return {name for name, why in plan.items() if why.startswith("runs")}


def plans(checkout, *changes, then):
    """The plan for each of several changes, and for none after `then`; one process of the command makes them all."""
    common = ["run", str(checkout.config), *TWO_NETWORKS, "--plan"]
    told = checkout.ask(
        f"""
        import io, json
        from contextlib import redirect_stdout
        from pathlib import Path
        from ferkit.cli.app import app

        def told(*more):
            with redirect_stdout(io.StringIO()) as output:
                app([*{common}, *more], standalone_mode=False)
            return output.getvalue()

        plans = [told(*more) for more in {[list(each) for each in changes]}]
        {then}
        print(json.dumps([*plans, told()]))
        """,
        COLUMNS="200",
    )
    return [as_plan(each) for each in told]


def test_a_plan_says_what_would_run_and_why_and_runs_nothing(two_networks):
    client = mlflow.MlflowClient(f"sqlite:///{two_networks.home / 'mlflow.db'}")
    runs = len(client.search_runs([client.get_experiment_by_name("ferkit").experiment_id]))
    (two_networks.root / "b.h5").write_bytes(b"other weights")
    voting = two_networks.root / "ferkit" / "models" / "ensemble.py"
    before, new = voting.read_text(), "def _new() -> int:\n    return 1\n"
    rate = ("--set", "backbones.p.training.network.learning_rate=0.005")
    unchanged, changed, slower, weight, views, weights, code = plans(
        two_networks,
        (),
        (*rate, "--no-cache", "ingest", "--set", "name=new"),
        rate,
        ("--set", "distillation.weight=0.5"),
        ("--set", "prediction.flip=true"),
        ("--set", "backbones.a.weights=b.h5"),
        then=f"Path({str(voting)!r}).write_text({before + new!r})",
    )
    voting.write_text(before)
    assert set(unchanged.values()) == {"cached", "runs never taken from the cache"}
    assert unchanged["promote"].startswith("runs")
    assert changed["ingest"] == "runs --no-cache"
    assert changed["validate"] == "follows ingest"
    assert slower["fine_tune_fer_p"] == "runs settings.network.learning_rate 0.005, before 0.003"
    assert slower["evaluate_fer_p"] == "follows fine_tune_fer_p, predict_public_fer_p"
    assert run(slower) == {"fine_tune_fer_p", "promote"}
    assert follow(slower) == {"predict_public_fer_p", "evaluate_fer_p", "register", "report"}
    assert weight["distil_fer"] == "runs settings.weight 0.5, before 0.7"
    assert follow(weight) == {
        *("fine_tune_fer_p", "predict_public_fer_p", "evaluate_fer_p", "register", "report"),
    }, "the teacher is asked nothing anew"
    assert run(views) == {"predict_public_fer_a", "promote"}
    assert {name for name, why in views.items() if why == "cached"} == {
        *("ingest", "validate", "drop_non_faces", "oversample_fer", "fine_tune_fer_a")
    }
    assert re.fullmatch(
        r'runs backbone.weights "b.h5", before "pretrained", weights_hash "[0-9a-f]+\.\.\., before ""',
        weights["fine_tune_fer_a"],
    )
    assert {"ensemble_fer", "report"} <= run(code) | follow(code)
    assert code["ensemble_fer"] == "runs the code of ferkit that it uses, or the version of a package"
    assert {code[name] for name in ("ingest", "validate", "drop_non_faces", "oversample_fer", "fine_tune_fer_a")} == {
        "cached"
    }
    upgrade = two_networks.root / "imbalanced_learn-99.dist-info"
    upgrade.mkdir()
    (upgrade / "METADATA").write_text("Name: imbalanced-learn\nVersion: 99\n")
    done = two_networks.ferkit("run", two_networks.config, *TWO_NETWORKS, "--plan", COLUMNS="200")
    assert done.returncode == 0, done.stdout + done.stderr
    upgraded = as_plan(done.stdout)
    shutil.rmtree(upgrade)
    assert upgraded["oversample_fer"] == "runs the code of ferkit that it uses, or the version of a package"
    assert upgraded["fine_tune_fer_a"] == "follows oversample_fer"
    assert upgraded["ingest"] == "cached"
    assert len(client.search_runs([client.get_experiment_by_name("ferkit").experiment_id])) == runs


def test_other_names_and_requests_re_run_nothing_and_stand_on_the_report(two_networks):
    names = ("name=other", "experiment=elsewhere", "resources.report.cpu_count=1", "backbones.p.resources.cpu_count=1")
    changes = (word for change in names for word in ("--set", change))
    executed = two_networks.run(*TWO_NETWORKS, *changes, "--no-cache", "drop_non_faces")
    assert set(executed) == {"drop_non_faces", "promote"}, "it makes what it made before, the gate is always asked"
    page = Path(re.search(r"report\s+(\S+report\.html)", two_networks.output)[1])
    assert "<h1>ferkit run: other-" in page.read_text()
    assert page.with_name("report.md").read_text().startswith("# ferkit run: other-")


def test_models_are_registered_again_when_they_are_gone(two_networks):
    client = mlflow.MlflowClient(f"sqlite:///{two_networks.home / 'mlflow.db'}")
    assert {str(each.version) for each in client.search_model_versions("name = 'ferkit'")} == {"1", "2"}
    client.delete_model_version("ferkit", "2")
    assert set(two_networks.run(*TWO_NETWORKS)) == {"register", "promote"}
    assert str(client.get_registered_model("ferkit").aliases["champion"]) == "3"


def test_another_learning_rate_and_a_changed_function_re_run_each_what_reaches_them_and_what_follows(two_networks):
    # Of the steps, two import this module; what they make is what it was.
    path = two_networks.root / "ferkit" / "preparation" / "__init__.py"
    before = path.read_text()
    path.write_text(before + "\n\ndef _new() -> int:\n    return 1\n")
    executed = two_networks.run(*TWO_NETWORKS, "--set", "backbones.p.training.network.learning_rate=0.005")
    path.write_text(before)
    assert set(executed) == {
        *("drop_non_faces", "oversample_fer"),
        *("fine_tune_fer_p", "predict_public_fer_p", "evaluate_fer_p", "register", "report", "promote"),
    }


def test_a_member_that_is_taught_by_stored_answers_votes_and_other_views_or_another_weight_train_no_member(
    two_networks, taught
):
    faces = load(RunConfig.model_validate(TINY).data).of_split("Training")
    answers, file = np.random.default_rng(0).dirichlet(np.ones(7), len(faces)), two_networks.root / "answers.npz"
    without = two_networks.ferkit("run", two_networks.config, *taught)
    assert without.stderr.splitlines()[-1] == (
        f"ferkit: backbones.b.teacher {file}: cannot be read (No such file or directory)."
    )
    most = np.delete(np.arange(len(faces)), range(6, 11))
    write_teacher_file(file, faces.images[most], {"fer": answers[most]})
    checked = two_networks.ferkit("run", two_networks.config, *taught, "--check")
    assert checked.returncode == 1
    # Cleaning leaves one of the five out, and 22 of all.
    assert "4 of 170 training pictures are not in the file" in checked.stderr
    assert len(checked.stderr.strip().splitlines()) == 1
    write_teacher_file(file, faces.images, {"fer": answers})
    executed = set(two_networks.run(*taught))
    assert executed >= {"read_teacher_fer_b", "distil_fer_b", "fine_tune_fer_b", "ensemble_fer", "teach_fer"}
    assert executed >= {f"{step}_fer_{label}" for step in ("predict_public", "evaluate") for label in "ap"}
    assert executed >= {"teach_fer", "distil_fer", "fine_tune_fer_p", "ensemble_fer", "evaluate_fer_ensemble", "report"}
    assert not executed & {"fine_tune_fer_a", "ingest", "oversample_fer"}


def test_two_runs_are_compared_and_what_no_other_run_has_is_removed(two_networks):
    names = re.compile(r"(?m)^(tiny-\S+) +completed +(\d+) of")
    listed = two_networks.ferkit("runs", "list", "--limit", "50", COLUMNS="160")
    assert listed.returncode == 0, listed.stderr
    runs = [name for name, _ in names.findall(listed.stdout)]
    client = mlflow.MlflowClient(f"sqlite:///{two_networks.home / 'mlflow.db'}")
    place = [client.get_experiment_by_name("ferkit").experiment_id]
    rates = {
        each.info.run_name: each.data.params["p.network.learning_rate"]
        for each in client.search_runs(place, "params.`p.network.learning_rate` = '0.005'", max_results=500)
    }
    (changed,) = [name for name in runs if name in rates]
    before = runs[runs.index(changed) + 1]
    compared = two_networks.ferkit("runs", "compare", before, changed, COLUMNS="160")
    assert compared.returncode == 0, compared.stderr
    assert re.search(r"(?m)^p\.network\.learning_rate +- +0\.005 *$", compared.stdout)
    lines = re.findall(r"(?m)^(fer/\w+) +(P\w+Test) +(\d+) +([\d.]+) +([\d.]+) +([+-][\d.]+) ", compared.stdout)
    assert {(model, split) for model, split, *_ in lines} == {
        (f"fer/{model}", split) for model in ("a", "ensemble", "p") for split in ("PublicTest", "PrivateTest")
    }
    for model, split, _, first, second, difference in lines:
        for name, value in ((before, first), (changed, second)):
            found = client.search_runs(
                place, f"tags.`ferkit.member` = '{model}' and metrics.`{split}/accuracy` >= 0", max_results=500
            )
            of_run = [
                each for each in found if client.get_run(each.data.tags["mlflow.parentRunId"]).info.run_name == name
            ]
            assert not of_run or float(value) == pytest.approx(
                100 * of_run[0].data.metrics[f"{split}/accuracy"], abs=0.01
            )
        assert float(difference) == pytest.approx(float(second) - float(first), abs=0.011)
    refused = two_networks.ferkit("runs", "remove", runs[-1])
    assert refused.returncode == 1
    assert re.fullmatch(
        rf"ferkit: {runs[-1]}: \S+.* has results of it; name it, too, or leave both\.\n", refused.stderr
    )
    # A run stays whose models are registered.
    [version] = [
        each for each in client.search_model_versions("name = 'ferkit'") if each.tags["ferkit.pipeline_run"] == changed
    ]
    client.delete_model_version("ferkit", version.version)
    pruned = two_networks.ferkit("runs", "prune", "--keep", "1", COLUMNS="160")
    assert pruned.returncode == 0, pruned.stderr
    count = int(re.search(r"(?m)^(\d+) runs? removed, [\d.]+ MB of files", pruned.stdout)[1])
    # A run of another test lies in an experiment of its own.
    everywhere = [each.experiment_id for each in client.search_experiments()]
    found = client.search_runs(everywhere, "tags.`ferkit.member` IS NULL", max_results=500)
    left = {each.info.run_name for each in found}
    assert len(left & set(runs)) == len(runs) - count
    assert runs[0] in left
    assert changed not in left
    assert set(re.findall(r"(?m)^(\S+) stays: ", pruned.stdout)) <= left
    assert not {path.name for path in (two_networks.home / "reports").iterdir()} - left - {"other"}


def test_a_copy_of_the_state_keeps_the_cache_and_the_same_models_are_registered_once(two_networks, taught, tmp_path):
    copy, hidden = tmp_path / "copy", two_networks.home.with_name("hidden")
    client = mlflow.MlflowClient(f"sqlite:///{two_networks.home / 'mlflow.db'}")
    before = {str(each.version) for each in client.search_model_versions("name = 'ferkit'")}
    assert len(before) > 1
    shutil.copytree(two_networks.home, copy)
    two_networks.home.rename(hidden)
    try:
        # The registry lies elsewhere now: it is asked, and has the models already. The champion may have changed. What
        # else the newest run is made of is all there: those that are gone had nothing of it.
        assert two_networks.run(*taught, FERKIT_HOME=str(copy)) == ["register", "promote"]
        client = mlflow.MlflowClient(f"sqlite:///{copy / 'mlflow.db'}")
        assert {str(each.version) for each in client.search_model_versions("name = 'ferkit'")} == before
        assert not two_networks.home.exists(), "nothing is written to where it was copied from"
    finally:
        hidden.rename(two_networks.home)
    shutil.rmtree(copy)
