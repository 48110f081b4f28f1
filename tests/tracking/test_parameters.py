"""Names of parameters in MLflow: short, and none in the place of another."""

from ferkit.backbones import BackboneSettings
from ferkit.config.run_config import RunConfig
from ferkit.tracking.headline import run_headline
from ferkit.tracking.parameters import network_parameters, run_parameters
from ferkit.training.settings import TrainingSettings
from tests.toys.run import CONFIG, toy_run


def test_settings_of_a_network_and_of_its_training_have_names_of_their_own():
    names = {*BackboneSettings.model_fields, "backbone"} - {"name", "alias"}
    assert not names & {*TrainingSettings.model_fields, "seed", "training_set_hash"}
    found = network_parameters(BackboneSettings(name="fernet", width=8), TrainingSettings(), 3, "abc")
    assert found["backbone"] == "fernet"
    assert (found["width"], found["network.learning_rate"], found["seed"]) == ("8", "0.0001", "3")
    assert "alias" not in found
    assert "depth" not in found, "what is empty takes no column"


def test_a_network_that_is_called_like_a_section_hides_nothing_of_it():
    entries = [{"name": "fernet", "alias": "network", "training": {"network": {"learning_rate": 0.5}}}]
    config = RunConfig.model_validate({**CONFIG, "backbones": [*entries, {"name": "fernet", "alias": "data"}]})
    found = run_parameters(config)
    assert found["network.learning_rate"] == "0.0001"
    assert found["network.network.learning_rate"] == "0.5"
    assert (found["data.source"], found["data.backbone"]) == ("synthetic", "fernet")
    assert "name" not in found


def test_the_headline_of_a_run_is_that_of_its_first_targets_ensemble(tmp_path):
    import pandas as pd

    run = toy_run(tmp_path)
    results = pd.concat([each.to_table() for each in run.evaluations])
    found = run_headline(results, run.config)
    judged = {(each.target, each.model): each.scores for each in run.evaluations}
    assert found["public_accuracy"] == judged["fer", "ensemble"]["PublicTest, no duplicates"].accuracy
    assert found["private_macro_f1"] == judged["fer", "ensemble"]["PrivateTest"].macro_f1
    assert found["ferplus_private_accuracy"] == judged["ferplus", "ensemble"]["PrivateTest"].accuracy
