"""One request, in the words of each orchestrator; and that ZenML's own classes take them."""

from pathlib import Path

import pytest

from ferkit.config.named_files import NamedFiles
from ferkit.config.resources import ResourceRequest
from ferkit.config.run_config import RunConfig
from ferkit.errors import ConfigError
from ferkit.stacks.placement import Placement, placed, step_settings
from ferkit.stacks.settings import StackSettings

GPU = ResourceRequest(gpu_count=2, cpu_count=8, memory="32GB")
NOTHING = ResourceRequest()


def placement(flavor, configuration=None, **more):
    orchestrator = {"flavor": flavor, "configuration": configuration or {}}
    return Placement.of(StackSettings.model_validate({"name": "x", "orchestrator": orchestrator, **more}))


@pytest.mark.parametrize("flavor", ["local", "ray"])
def test_orchestrators_that_read_the_request_itself_get_nothing_more(flavor):
    assert step_settings(GPU, placement(flavor)) == {}


def test_kubernetes_gets_requests_and_limits_in_the_pod():
    assert step_settings(GPU, placement("kubernetes")) == {
        "orchestrator.kubernetes": {
            "pod_settings": {
                "resources": {
                    "requests": {"cpu": "8", "memory": "32G"},
                    "limits": {"memory": "32G", "nvidia.com/gpu": "2"},
                },
                "node_selectors": {},
                "tolerations": [],
            }
        }
    }
    assert step_settings(NOTHING, placement("kubernetes")) == {
        "orchestrator.kubernetes": {"pod_settings": {"resources": {}}}
    }


def test_what_the_stack_says_about_pods_stays_and_the_step_has_the_last_word():
    pod = {
        "node_selectors": {"zone": "a"},
        "tolerations": [{"key": "own"}],
        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}},
        "env": [{"name": "A", "value": "1"}],
    }
    accelerator = {
        "resource": "amd.com/gpu",
        "node_selector": {"gpu": "mi300"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    }
    on = placement("kubernetes", {"pod_settings": pod}, accelerator=accelerator)
    made = step_settings(ResourceRequest(gpu_count=1, cpu_count=0.5), on)["orchestrator.kubernetes"]["pod_settings"]
    assert made == {
        "node_selectors": {"zone": "a", "gpu": "mi300"},
        "tolerations": [{"key": "own"}, {"key": "gpu", "operator": "Exists"}],
        "resources": {"requests": {"cpu": "0.5", "memory": "1Gi"}, "limits": {"amd.com/gpu": "1"}},
        "env": [{"name": "A", "value": "1"}],
    }
    without = step_settings(NOTHING, on)["orchestrator.kubernetes"]["pod_settings"]
    assert without == pod, "a step without a GPU goes nowhere else, and the stack's settings are not changed"


@pytest.mark.parametrize(
    ("memory", "quantity"), [("8GB", "8G"), ("512MiB", "512Mi"), ("3KB", "3k"), ("4KiB", "4Ki"), ("1TB", "1T")]
)
def test_memory_is_a_quantity_of_kubernetes(memory, quantity):
    settings = step_settings(ResourceRequest(memory=memory), placement("kubernetes"))
    resources = settings["orchestrator.kubernetes"]["pod_settings"]["resources"]
    assert resources == {"requests": {"memory": quantity}, "limits": {"memory": quantity}}


def test_kubeflow_gets_the_name_of_the_resource_and_no_memory():
    from zenml.config import ResourceSettings

    made = step_settings(GPU, placement("ferkit_kubeflow"))
    selectors = {"accelerator": "nvidia.com/gpu"}
    assert made["orchestrator.ferkit_kubeflow"] == {"pod_settings": {"node_selectors": selectors}}
    assert not ResourceSettings(**made["resources"]).get_memory()
    assert step_settings(ResourceRequest(cpu_count=1), placement("ferkit_kubeflow")) == {}


def test_zenmls_own_kubeflow_flavor_is_refused_for_gpus_alone():
    with pytest.raises(ConfigError, match="take the flavor ferkit_kubeflow"):
        step_settings(GPU, placement("kubeflow"))
    assert step_settings(ResourceRequest(cpu_count=1), placement("kubeflow")) == {}


def test_only_trainings_go_to_the_step_operator_and_the_last_step_alerts(monkeypatch):
    from zenml.utils import source_utils

    monkeypatch.setattr(source_utils, "_CUSTOM_SOURCE_ROOT", str(Path(__file__).parents[2]))
    from pipelines.train import train

    entry = {"name": "fernet", "resources": {"gpu_count": 1}}
    config = RunConfig.model_validate({"name": "x", "data": {"source": "synthetic"}, "backbones": [entry]})
    operator = {"flavor": "kubernetes", "configuration": {"pod_settings": {"node_selectors": {"pool": "gpu"}}}}
    on = placement("local", step_operator=operator, alerter={"flavor": "slack"})
    made = placed(train, on, {"config": config, "files": NamedFiles.of(config), "imported": None})
    pod = {"node_selectors": {"pool": "gpu"}, "tolerations": [], "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    assert made._run_args["step_configurations"] == {
        "fine_tune_fer_fernet": {
            "step_operator": True, "settings": {"step_operator.kubernetes": {"pod_settings": pod}},
        },
        "report": {"success_hook_source": "steps.alerts.alert_success"},
    }  # fmt: skip
    assert made.configuration.failure_hook_source.attribute == "alert_failure"
    draft = made.copy()
    draft.prepare(config=config, files=NamedFiles.of(config), imported=None)
    hashed = draft.invocations["ingest"].parameters["fingerprint"]
    assert hashed == NamedFiles.of(config).data, "why a schedule of ZenML's would never read changed data"


def test_a_step_with_gpus_has_the_image_with_cuda():
    both = {"cpu": "ferkit:cpu", "gpu": "ferkit:gpu"}
    for need, image in ((GPU, "ferkit:gpu"), (NOTHING, "ferkit:cpu"), (ResourceRequest(gpu_count=0), "ferkit:cpu")):
        made = step_settings(need, placement("ray", image=both))["docker"]
        assert made["parent_image"] == image
        assert made["skip_build"]
        assert not made["allow_download_from_artifact_store"]
    assert step_settings(GPU, placement("ray", image={"cpu": "one"}))["docker"]["parent_image"] == "one"
