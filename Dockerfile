# Two images. The default is for API pods, flushers, migrations and the autoscaler. The target `drill` adds the load
# generator of `likewise drill`. Neither holds the local stack of `likewise up`.
#   docker build --build-arg VERSION=0.2.0 --build-arg REVISION=$(git rev-parse HEAD) -t likewise:0.2.0 .
#   docker build --build-arg VERSION=0.2.0 --target drill -t likewise-drill:0.2.0 .
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 SOURCE_DATE_EPOCH=315532800
RUN python3 -m venv --without-pip /opt/likewise
WORKDIR /source
COPY requirements-image.lock .
RUN python3 -m pip --python /opt/likewise/bin/python install --require-hashes --only-binary :all: -r requirements-image.lock
# The autoscaler uses the transport of the official Kubernetes client. The generated classes of every API and the asyncio
# variant with its libraries are most of the package, and nothing imports them. See docs/adr/0011.
RUN python3 -m pip --python /opt/likewise/bin/python uninstall -q -y \
      aiohappyeyeballs aiohttp aiohttp-retry aiosignal attrs frozenlist multidict propcache yarl \
 && cd /opt/likewise/lib/python3.13/site-packages \
 && rm -r kubernetes/aio \
 && find kubernetes/client/api kubernetes/client/models -type f ! -name '__init__.*' -delete
COPY . .
RUN python3 -m pip wheel --no-deps --wheel-dir /wheels . \
 && python3 -m pip --python /opt/likewise/bin/python install --no-deps --no-index /wheels/*.whl \
 && /opt/likewise/bin/python -B -c "import autoscaler.kubernetes.transport" \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/likewise/lib
# What production pods never run leaves the image: fewer files to scan, and no load generator next to the secrets.
RUN mkdir /drill \
 && mv /opt/likewise/lib/python3.13/site-packages/service/loadtest /drill/ \
 && rm -r /opt/likewise/lib/python3.13/site-packages/service/devstack

FROM python:3.13-slim AS runtime
COPY --from=build /opt/likewise /opt/likewise
ENV PATH=/opt/likewise/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONFAULTHANDLER=1
USER 10001:10001
WORKDIR /tmp
STOPSIGNAL SIGTERM

FROM runtime AS drill
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Likewise drill" \
      org.opencontainers.image.description="The load generator of Likewise, which checks that each like was counted once" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /drill/loadtest /opt/likewise/lib/python3.13/site-packages/service/loadtest
CMD ["likewise", "drill", "--help"]

# The default image is the last stage.
FROM runtime
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Likewise" \
      org.opencontainers.image.description="The back end of a like button, correct and fast when a post goes viral" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
EXPOSE 8000 9100
CMD ["likewise", "api", "--bind", "[::]:8000"]
