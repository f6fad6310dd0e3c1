#!/usr/bin/env bash
# What `pnpm test:browser` needs besides Node: Chromium, from Debian's packages (as root). Where it is, nothing is done.
set -euo pipefail

chromium=${ZT_CHROMIUM:-/usr/bin/chromium}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { echo "browser: $*" >&2; }
fail() { say "$*"; exit 1; }

if [[ -x $chromium ]]; then say "$chromium is there."; exit; fi
command -v apt-get >/dev/null || fail "$chromium is not there, and only Debian's can be installed here: name yours with ZT_CHROMIUM."
[[ $(id -u) == 0 ]] || fail "installing chromium needs root: run this as root, or name yours with ZT_CHROMIUM."
say "installing chromium from Debian's packages …"
{
  timeout 60 apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive timeout 240 apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core
} </dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "chromium could not be installed."; }
