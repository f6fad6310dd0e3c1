#!/usr/bin/env bash
# What the public image of PostgreSQL does when it starts, as far as it is used here: an empty PGDATA gets a cluster, whose
# superuser has the password of POSTGRES_PASSWORD_FILE, and the files of /docker-entrypoint-initdb.d, by name. The server that
# runs them listens on no address, so that nobody takes it for the one that follows.
set -euo pipefail

if [[ ${1:-postgres} != postgres ]]; then exec "$@"; fi

user=${POSTGRES_USER:-postgres}

# A user that is a number only.
if ! getent passwd "$(id -u)" >/dev/null; then
  wrapped=$(mktemp -d)
  echo "postgres:x:$(id -u):$(id -g):PostgreSQL:$PGDATA:/bin/false" >"$wrapped/passwd"
  echo "postgres:x:$(id -g):" >"$wrapped/group"
  wrapper=(/usr/lib/*/libnss_wrapper.so)
  export LD_PRELOAD=${wrapper[0]} NSS_WRAPPER_PASSWD=$wrapped/passwd NSS_WRAPPER_GROUP=$wrapped/group
fi

if [[ ! -s $PGDATA/PG_VERSION ]]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  # shellcheck disable=SC2086 # several arguments, as in the public image
  initdb --username "$user" --pwfile "$POSTGRES_PASSWORD_FILE" ${POSTGRES_INITDB_ARGS:-}
  pg_ctl --wait --options "$(printf '%q ' "${@:2}" -c listen_addresses=)" start
  PGPASSWORD=$(<"$POSTGRES_PASSWORD_FILE")
  export PGPASSWORD
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [[ -e $file ]] || continue
    psql --set ON_ERROR_STOP=1 --no-psqlrc --username "$user" --no-password --dbname "${POSTGRES_DB:-postgres}" --file "$file"
  done
  unset PGPASSWORD
  pg_ctl --wait --mode fast stop
fi

exec "$@"
