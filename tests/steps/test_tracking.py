"""What the steps write to MLflow."""

import mlflow

from steps.tracking import log_metrics, log_params


def test_classes_of_any_names_can_be_part_of_a_metric_and_a_parameter(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    try:
        with mlflow.start_run(experiment_id=mlflow.create_experiment("t", (tmp_path / "files").as_uri())) as run:
            log_metrics({"mood/before/so, la la (?)": 3, "mood/before/très calme": 4})
            log_params({"data": {"labels": {"0+1": "calm"}}})
        data = mlflow.get_run(run.info.run_id).data
    finally:
        mlflow.set_tracking_uri(before)
    assert data.metrics == {"mood/before/so_ la la ___": 3, "mood/before/très calme": 4}
    assert data.params == {"data.labels.0_1": "calm"}
