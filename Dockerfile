# syntax=docker/dockerfile:1
# ptingest in an image: `docker build -t ptingest:0.1.0 .`
# Two stages: the first installs into a virtual environment, the second is that environment
# and Python. It runs as uid 10001, writes to /var/lib/ptingest only and works read-only.
# Nothing here depends on the processor; deploy/hashed has the hashes of wheels for all of them.
ARG PYTHON_IMAGE=python:3.11.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY deploy/hashed deploy/hashed
RUN python -m venv --without-pip /opt/ptingest \
 && python -m pip --python /opt/ptingest/bin/python install --no-cache-dir \
      --disable-pip-version-check --only-binary=:all: --require-hashes \
      -r deploy/hashed/runtime.txt \
 && python -m pip install --no-cache-dir --disable-pip-version-check --only-binary=:all: \
      --require-hashes -r deploy/hashed/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY deploy deploy
COPY ptingest ptingest
# The list of what was installed (CycloneDX) is taken from the environment, not from a file.
RUN python -m hatchling build -t wheel -d dist \
 && python -m pip --python /opt/ptingest/bin/python install --no-cache-dir \
      --disable-pip-version-check --no-deps --no-index --compile dist/ptingest-*.whl \
 && mkdir -p /opt/ptingest/share/ptingest \
 && python -m cyclonedx_py environment --pyproject pyproject.toml --mc-type application \
      --output-reproducible --output-format JSON \
      --output-file /opt/ptingest/share/ptingest/sbom.cdx.json /opt/ptingest/bin/python

FROM ${PYTHON_IMAGE}
# Nothing at run time installs or compiles anything.
RUN python -m pip uninstall --yes --no-cache-dir pip setuptools wheel \
 && rm -rf /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/site-packages/* \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && groupadd --gid 10001 ptingest \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/ptingest \
      --shell /usr/sbin/nologin ptingest \
 && install -d -o 10001 -g 10001 -m 0750 /var/lib/ptingest
COPY --from=build /opt/ptingest /opt/ptingest
COPY deploy/ptingest.yaml config/pt.yaml /etc/ptingest/
ENV PATH=/opt/ptingest/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/ptingest
VOLUME ["/var/lib/ptingest"]
EXPOSE 5044 9600
# The first asks for a drain, a second one leaves at once.
STOPSIGNAL SIGTERM
# Alive, not ready: orchestrators kill what is unhealthy, and a restart mends no Elasticsearch.
HEALTHCHECK --interval=15s --timeout=6s --start-period=10s --retries=3 \
  CMD ["ptingest", "probe", "--config", "/etc/ptingest/ptingest.yaml", "--live"]
ENTRYPOINT ["ptingest"]
CMD ["serve", "--config", "/etc/ptingest/ptingest.yaml"]
# Last, so that another commit or day makes no other layer anew.
ARG PYTHON_IMAGE
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ptingest" \
      org.opencontainers.image.description="Beats in on 5044, Logstash's documents out to Elasticsearch data streams" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}" \
      org.opencontainers.image.authors="The ptingest maintainers" \
      org.opencontainers.image.licenses="Apache-2.0"
