# One image for `python -m api`, `python -m worker start` and `python -m pipeline`. What they hear with while nobody
# speaks (voice activity, the end of a turn) comes with its packages: nothing is downloaded when they run.

FROM node:22.22.2-bookworm-slim AS page
WORKDIR /page
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --omit=dev --no-audit --no-fund && npm run --silent compress

FROM python:3.11.15-slim-bookworm AS packages
COPY pyproject.toml requirements.lock ./
# What pyproject.toml asks for, without what it has for local speech and for developers, in the versions of the lock.
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > wanted \
    && python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --only-binary :all: -r wanted -c requirements.lock

FROM python:3.11.15-slim-bookworm
# A volume that is new takes its owner from this folder.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin callroom \
    && install -d -m 0700 -o callroom -g callroom /var/lib/callroom
WORKDIR /callroom
COPY --from=packages /venv /venv
COPY calls calls
COPY prompts prompts
COPY api api
COPY worker worker
COPY pipeline pipeline
COPY web web
COPY --from=page /page/node_modules web/node_modules
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CALLROOM_STATE_DIR=/var/lib/callroom
RUN python -m compileall -q calls prompts api worker pipeline
USER callroom
