# A stand-in for the public image of PostgreSQL, from Debian's packages, for machines that cannot pull it: base-images.sh builds
# it. It does what infra/compose and the tests need of the public one, by the same names.
ARG DEBIAN=debian:bookworm-slim

FROM ${DEBIAN}
# Without a cluster of Debian's: the data directory is made when a container starts. nss_wrapper, since initdb wants a name for
# whatever user it runs as.
RUN apt-get update && \
  apt-get install --yes --no-install-recommends postgresql-common libnss-wrapper && \
  sed --in-place 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf && \
  apt-get install --yes --no-install-recommends postgresql-15 && \
  rm -rf /var/lib/apt/lists/* && \
  mkdir -p /docker-entrypoint-initdb.d && \
  chmod 1777 /var/lib/postgresql /var/run/postgresql
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
COPY --chown=0:0 postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
USER 65532:65532
VOLUME /var/lib/postgresql
STOPSIGNAL SIGINT
ENTRYPOINT ["bash", "/usr/local/bin/docker-entrypoint.sh"]
CMD ["postgres"]
