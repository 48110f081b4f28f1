"""Settings that say which networks a run trains, from which seed, and what MLflow calls it."""

from ferkit.config.run_config import RunConfig
from tests.config.proofs.changes import different
from tests.config.smallest import SMALLEST

# Two heads of one network, and a student of what the others say.
RUN = {"name": "t", "data": {"source": "synthetic"}, "targets": [{"name": "fer"}, {"name": "ferplus"}]}


def of_tracking(**change):
    """What the command tells MLflow of a run."""
    from ferkit.tracking.pipeline_run import tracker_settings

    config = RunConfig.model_validate({**RUN, "backbones": [{"name": "fernet"}], **change})
    told = tracker_settings(config, "data")
    # The hash is of the whole configuration.
    return told["experiment_name"], {key: value for key, value in told["tags"].items() if "hash" not in key}


def of_run_seed(**change):
    config = RunConfig.model_validate({**RUN, "backbones": [{"name": "fernet"}], **change})
    return config.seed_of(config.trained()[0])


def of_entry(**entry):
    """The trainings of a run with two backbones, in order, and how the first one is trained."""
    backbones = [{"name": "fernet", "alias": "other"}, {"name": "fernet", **entry}]
    config = RunConfig.model_validate({**RUN, "backbones": backbones})
    chosen = [config.training_of(each.entry).model_dump() for each in config.trained()]
    teachers = [(each.name, each.entry.is_student, each.entry.teacher_file) for each in config.trained()]
    return teachers, [each.label for each in config.members("fer")], chosen


def seed_of(**entry):
    config = RunConfig.model_validate({**SMALLEST, "seed": 2, "backbones": [{"name": "fernet", **entry}]})
    return config.seed_of(config.trained()[0])


# By setting: a proof, or a test that sets it, in the file named.
EFFECTS = {
    "name": different(of_tracking, name="other"),
    "experiment": different(of_tracking, experiment="other"),
    "seed": different(of_run_seed, seed=3),
    "backbones.alias": different(of_entry, alias="mine"),
    "backbones.training": different(of_entry, training={"network": {"epochs": 7}}),
    "backbones.targets": different(of_entry, targets=["fer"]),
    "backbones.seed": lambda: seed_of(seed=3) != seed_of(),
    "backbones.joint": different(of_entry, joint=True),
    "backbones.teacher": lambda: len({str(of_entry(teacher=each)) for each in (None, "ensemble", "answers.npz")}) == 3,
}  # fmt: skip
