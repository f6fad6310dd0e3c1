# A stand-in for the public image of Prometheus, from Debian's packages, for machines that cannot pull it: base-images.sh builds
# it.
ARG DEBIAN=debian:bookworm-slim

FROM ${DEBIAN}
RUN apt-get update && \
  apt-get install --yes --no-install-recommends prometheus && \
  rm -rf /var/lib/apt/lists/*
USER 65532:65532
ENTRYPOINT ["prometheus"]
