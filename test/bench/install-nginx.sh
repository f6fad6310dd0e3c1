#!/usr/bin/env bash
# What one case of the bench needs besides what npm brings: Debian's nginx (as root).
set -euo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { echo "nginx: $*" >&2; }
fail() { say "$*"; exit 1; }

if command -v nginx >/dev/null; then say "it is there."; exit 0; fi
command -v apt-get >/dev/null || fail "only Debian's package can be installed here."
[[ $(id -u) == 0 ]] || fail "installing it needs root: run this as root."
say "installing it from Debian's packages …"
{
  timeout 60 apt-get update -qq &&
    # The bench starts its own: nobody else's is to run because of it.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -y -qq --no-install-recommends nginx
} </dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "it could not be installed."; }
