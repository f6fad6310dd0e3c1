#!/usr/bin/env bash
# What tests of the fleet need besides what npm brings (Node, PostgreSQL): a Valkey server, or Debian's Redis (as root).
set -euo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { echo "servers: $*" >&2; }
fail() { say "$*"; exit 1; }

for program in valkey-server redis-server; do
  if command -v "$program" >/dev/null; then say "$program is there."; exit; fi
done
command -v apt-get >/dev/null || fail "no valkey-server: only Debian's packages can be installed here."
[[ $(id -u) == 0 ]] || fail "installing redis-server needs root: run this as root."
say "installing redis-server from Debian's packages …"
{
  timeout 60 apt-get update -qq &&
    # The tests start their own: nobody else's is to run because of them.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive timeout 240 apt-get install -y -qq --no-install-recommends redis-server
} </dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "redis-server could not be installed."; }
