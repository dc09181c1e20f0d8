# The one image: API pods, flushers, migrations and the drill are commands of it.
# Build it with the version and the commit that it is made of:
#   docker build --build-arg VERSION=0.2.0 --build-arg REVISION=$(git rev-parse HEAD) -t likewise:0.2.0 .
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 SOURCE_DATE_EPOCH=315532800
RUN python3 -m venv --without-pip /opt/likewise
WORKDIR /source
COPY requirements-image.lock .
RUN python3 -m pip --python /opt/likewise/bin/python install --require-hashes --only-binary :all: -r requirements-image.lock
COPY . .
RUN python3 -m pip wheel --no-deps --wheel-dir /wheels . \
 && python3 -m pip --python /opt/likewise/bin/python install --no-deps --no-index /wheels/*.whl \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/likewise/lib

FROM python:3.13-slim
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Likewise" \
      org.opencontainers.image.description="The like button's back end that stays right when a post goes viral" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /opt/likewise /opt/likewise
ENV PATH=/opt/likewise/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONFAULTHANDLER=1
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000 9100
STOPSIGNAL SIGTERM
CMD ["likewise", "api", "--bind", "0.0.0.0:8000"]
