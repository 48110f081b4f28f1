"""Who is trained, votes, teaches and is judged in a run."""

from ferkit.config.run_config import RunConfig
from ferkit.config.run_plan import RunPlan

FERNET = {"name": "fernet"}
RUN = {
    "name": "t",
    "data": {"source": "synthetic"},
    "targets": [{"name": "fer"}, {"name": "ferplus"}],
    "backbones": [
        {**FERNET, "alias": "s", "joint": True, "teacher": "ensemble"},
        {**FERNET, "alias": "a"},
        {**FERNET, "alias": "j", "joint": True},
        {**FERNET, "alias": "f", "targets": ["fer"], "teacher": "answers.npz"},
        {**FERNET, "alias": "t", "targets": ["fer"], "teacher": "ensemble"},
    ],
}


def plan(**change):
    return RunPlan.of(RunConfig.model_validate({**RUN, **change}))


def names(trainings):
    return [each.name for each in trainings]


def test_members_are_trained_first_and_students_once_there_are_ensembles():
    made = plan()
    assert names(made.members) == ["fer-a", "fer+ferplus-j", "fer-f", "ferplus-a"]
    assert names(made.students) == ["fer+ferplus-s", "fer-t"]
    assert made.trainings == (*made.members, *made.students)
    config = RunConfig.model_validate(RUN)
    assert list(made.trainings) == config.trained()


def test_each_target_has_its_members_in_the_order_of_the_configuration():
    fer, ferplus = plan().targets
    assert names(fer.members) == names(fer.voters) == ["fer-a", "fer+ferplus-j", "fer-f"]
    assert names(ferplus.members) == names(ferplus.voters) == ["ferplus-a", "fer+ferplus-j"]
    assert names(fer.students) == ["fer+ferplus-s", "fer-t"]
    assert fer.models == ("a", "j", "f", "ensemble", "s", "t")
    assert plan().judged == (
        *(("fer", model) for model in ("a", "j", "f", "ensemble", "s", "t")),
        *(("ferplus", model) for model in ("a", "j", "ensemble", "s")),
    )


def test_who_has_no_vote_teaches_nobody_and_is_judged():
    made = plan(ensemble={"members": ["j"]})
    assert [names(each.voters) for each in made.targets] == [["fer+ferplus-j"]] * 2
    assert names(made.teachers) == ["fer+ferplus-j"]
    assert "a" in made.about("fer").models


def test_a_run_without_students_has_no_teachers():
    backbones = [each for each in RUN["backbones"] if each.get("teacher") != "ensemble"]
    assert plan(backbones=backbones).teachers == ()
