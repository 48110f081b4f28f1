"""What each step of a run asks its orchestrator for: cores, GPUs, memory."""

from pydantic import ConfigDict, Field

from ferkit.settings import Settings

__all__ = ["ResourceRequest", "Resources"]


class ResourceRequest(Settings):
    """What a step needs to run; handed to the orchestrator as ZenML `ResourceSettings`.

    Attributes
    ----------
    cpu_count, gpu_count
        Cores and GPUs; none are requested if empty.
    memory
        Such as ``8GB`` or ``512MiB``.
    """

    cpu_count: float | None = Field(None, gt=0)
    gpu_count: int | None = Field(None, ge=0)
    memory: str | None = Field(None, pattern=r"^[0-9]+(KB|KiB|MB|MiB|GB|GiB|TB|TiB|PB|PiB)$")


class Resources(Settings):
    """The request of each step; a step that is not named requests nothing."""

    # ZenML writes parameters down by field and not by alias.
    model_config = ConfigDict(populate_by_name=True)

    ingest: ResourceRequest = ResourceRequest()
    validate_: ResourceRequest = Field(ResourceRequest(), alias="validate")
    drop_non_faces: ResourceRequest = ResourceRequest()
    oversample: ResourceRequest = ResourceRequest()
    fine_tune: ResourceRequest = ResourceRequest()
    predict_public: ResourceRequest = ResourceRequest()
    ensemble: ResourceRequest = ResourceRequest()
    teach: ResourceRequest = ResourceRequest()
    distil: ResourceRequest = ResourceRequest()
    evaluate: ResourceRequest = ResourceRequest()
    report: ResourceRequest = ResourceRequest()
    register_: ResourceRequest = Field(ResourceRequest(), alias="register")
    promote: ResourceRequest = ResourceRequest()
