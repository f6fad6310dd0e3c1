# A service's image whose clock a test can move while it runs: the same image and Debian's libfaketime, which does nothing
# until LD_PRELOAD names it. For tests alone.
#
#   node infra/docker/build-images.ts --faketime order        zero-trust/order:faketime, on top of zero-trust/order:local
#   docker run --env LD_PRELOAD=/usr/lib/faketime/libfaketime.so.1 --env FAKETIME_TIMESTAMP_FILE=/clock/now …
#
# The file says by how much: `+3600s` is an hour ahead, and writing another value moves the clock at once.
ARG DEBIAN=debian:bookworm-slim
ARG IMAGE=zero-trust/order:local

FROM ${DEBIAN} AS debian
RUN apt-get update && \
  apt-get install --yes --no-install-recommends libfaketime && \
  cp /usr/lib/*/faketime/libfaketime.so.1 /libfaketime.so.1

FROM ${IMAGE}
COPY --from=debian --chown=0:0 /libfaketime.so.1 /usr/lib/faketime/libfaketime.so.1
# Read anew at every look at the clock; timers go on as they do, and only what time it is changes.
ENV FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1
