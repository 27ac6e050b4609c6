# The service and nothing of training (target `service`, the last); with MLflow and training
# (target `project`). Both come from the lock files, by hash, and run as a user without rights.
# Build with: docker build --tag tms-response .

FROM python:3.11-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/tms-response \
    PATH=/venv/bin:$PATH
# LightGBM needs the OpenMP runtime; Debian's own version of it is the right one.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin tms \
    && install --directory --owner tms /models /mlflow /state
WORKDIR /tms-response

FROM base AS serving-packages
COPY requirements-serving.lock ./
RUN python -m venv /venv \
    && pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: \
        --requirement requirements-serving.lock

FROM base AS all-packages
COPY requirements.lock ./
RUN python -m venv /venv \
    && pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: \
        --requirement requirements.lock

FROM base AS project
COPY --from=all-packages /venv /venv
COPY data_schemas data_schemas
COPY features features
COPY serving serving
COPY training training
COPY tms_response.py ./
ENV MLFLOW_DISABLE_TELEMETRY=true
USER 10001
# Each use brings its own check of health, such as that of MLflow's server in compose.yaml.
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m"]
CMD ["tms_response", "--help"]

FROM base AS service
COPY --from=serving-packages /venv /venv
COPY data_schemas data_schemas
COPY features features
COPY serving serving
# A model folder, or a pointer to one (serving/model_pointer.py), is mounted below /models.
ENV TMS_RESPONSE_MODEL=/models/current \
    TMS_RESPONSE_KEYS=/run/secrets/access_keys \
    BENTOML_HOME=/tmp/bentoml \
    BENTOML_DO_NOT_TRACK=True
USER 10001
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:3000/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
CMD ["bentoml", "serve", "serving.service:TmsResponseService", "--host", "0.0.0.0", \
     "--port", "3000", "--timeout-graceful-shutdown", "65"]
