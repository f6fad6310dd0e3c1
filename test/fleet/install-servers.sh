#!/usr/bin/env bash
# What tests of the fleet need besides what npm brings (Node, PostgreSQL): a Valkey server, or Debian's Redis; and Prometheus, with
# promtool (as root).
set -euo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { echo "servers: $*" >&2; }
fail() { say "$*"; exit 1; }
there() { for program in "$@"; do if command -v "$program" >/dev/null; then say "$program is there."; return; fi; done; return 1; }

missing=()
there valkey-server redis-server || missing+=(redis-server)
there promtool || missing+=(prometheus)
[[ ${#missing[@]} -gt 0 ]] || exit 0
command -v apt-get >/dev/null || fail "no ${missing[*]}: only Debian's packages can be installed here."
[[ $(id -u) == 0 ]] || fail "installing ${missing[*]} needs root: run this as root."
say "installing ${missing[*]} from Debian's packages …"
{
  timeout 60 apt-get update -qq &&
    # The tests start their own: nobody else's is to run because of them.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -y -qq --no-install-recommends "${missing[@]}"
} </dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "${missing[*]} could not be installed."; }
