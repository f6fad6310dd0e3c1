# A stand-in for the public image of Valkey, from Debian's packages, which have Redis 7.0: for machines that cannot pull it.
# base-images.sh builds it.
ARG DEBIAN=debian:bookworm-slim

FROM ${DEBIAN}
RUN apt-get update && \
  apt-get install --yes --no-install-recommends redis-server redis-tools && \
  rm -rf /var/lib/apt/lists/* && \
  ln -s redis-server /usr/bin/valkey-server && \
  ln -s redis-cli /usr/bin/valkey-cli && \
  mkdir --mode=1777 /data
USER 65532:65532
WORKDIR /data
VOLUME /data
CMD ["valkey-server"]
