#!/usr/bin/env bash
# `docker compose` for the test of infra/compose in `pnpm test:e2e`: Debian's docker-compose where there is none (as root).
set -euo pipefail

log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { echo "compose: $*" >&2; }
fail() { say "$*"; exit 1; }

if docker compose version >/dev/null 2>&1; then say "docker compose is there."; exit; fi
if command -v docker-compose >/dev/null; then say "docker-compose is there."; exit; fi
command -v apt-get >/dev/null || fail "there is no docker compose, and only Debian's can be installed here."
[[ $(id -u) == 0 ]] || fail "installing docker-compose needs root: run this as root."
say "installing docker-compose from Debian's packages …"
{
  timeout 60 apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive timeout 240 apt-get install -y -qq --no-install-recommends docker-compose
} </dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "docker-compose could not be installed."; }
