# syntax=docker/dockerfile:1
# The image that a pipeline's steps run in on Kubernetes or Kubeflow. docs/guides/cluster.md goes through it.
#
#     docker build --tag REGISTRY/ferkit:cpu .
#     docker build --tag REGISTRY/ferkit:gpu --build-arg ACCELERATOR=gpu .
#     docker build --tag REGISTRY/ferkit:cpu --build-arg LOCK=requirements-kubeflow.lock .

ARG BASE=debian:bookworm-slim

# Debian's Python 3.11, and a user that pods may be held to by number.
FROM ${BASE} AS python
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 ferkit
ENV PATH=/opt/ferkit/bin:$PATH \
    PYTHONUNBUFFERED=1

# The libraries change with their lock alone.
FROM python AS libraries
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/ferkit
ARG LOCK=requirements-kubernetes.lock
COPY ${LOCK} /tmp/lock
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement /tmp/lock

# CUDA's libraries, in the versions that this TensorFlow asks for; the driver is the node's. A layer of its own, so that
# both images share those before it.
ARG ACCELERATOR=cpu
RUN if [ "$ACCELERATOR" = gpu ]; then \
        pip install --no-cache-dir --disable-pip-version-check \
            "tensorflow[and-cuda]==$(python -c 'from importlib.metadata import version; print(version("tensorflow"))')"; \
    fi

FROM python AS step
ENV FERKIT_HOME=/home/ferkit/.ferkit \
    FERKIT_CACHE=/home/ferkit/.ferkit/weights \
    FERKIT_CHECKPOINTS=/home/ferkit/.ferkit/checkpoints \
    GX_ANALYTICS_ENABLED=false \
    MLFLOW_DISABLE_TELEMETRY=true \
    MPLCONFIGDIR=/home/ferkit/.ferkit/matplotlib \
    TF_CPP_MIN_LOG_LEVEL=3 \
    TF_ENABLE_ONEDNN_OPTS=1 \
    ZENML_ANALYTICS_OPT_IN=false
COPY --from=libraries /opt/ferkit /opt/ferkit
# ZenML's entrypoint goes to /app; what steps and their cache are made of it finds below the folder that has a .zen.
WORKDIR /app
COPY . .
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --editable . \
    && install --directory --owner=ferkit .zen
USER 10001
CMD ["ferkit", "--help"]
