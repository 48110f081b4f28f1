"""A flavor of ZenML orchestrator: the steps of a static pipeline as tasks of a Ray cluster, which schedules them."""
