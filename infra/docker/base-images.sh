#!/usr/bin/env bash
# Prints the name of a base image that is there: Debian with Node 24, for infra/docker/Dockerfile.
#
# ZT_BASE_IMAGE   the image wanted (default node:24-bookworm-slim)
#
# Local, it is used; else it is pulled; where it cannot be pulled, a stand-in is built from Debian's packages
# and the Node binary that npm brought (Linux, as root).
set -euo pipefail

wanted=${ZT_BASE_IMAGE:-node:24-bookworm-slim}
standin=zero-trust/base:local
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
pull_seconds=120

say() { echo "base image: $*" >&2; }
fail() { say "$*"; exit 1; }
local_image() { docker image inspect "$1" >/dev/null 2>&1; }

docker version >/dev/null 2>&1 || fail "no container engine answers; start one with: bash infra/docker/engine.sh start"

if local_image "$wanted"; then echo "$wanted"; exit; fi

node=""
for candidate in "$root"/node_modules/node-linux-*/bin/node; do [[ -x $candidate ]] && node=$candidate; done

# The stand-in carries the version of its Node as a label: another Node makes another stand-in.
version=""
[[ -z $node ]] || version=$("$node" --version)
made=$(docker image inspect --format '{{index .Config.Labels "node"}}' "$standin" 2>/dev/null || true)
if [[ -n $version && $made == "$version" && -z ${ZT_BASE_IMAGE:-} ]]; then echo "$standin"; exit; fi

say "pulling $wanted …"
if timeout "$pull_seconds" docker pull --quiet "$wanted" >/dev/null 2>&1; then echo "$wanted"; exit; fi
[[ -n $node ]] || fail "$wanted cannot be pulled, and npm brought no Node binary to build a stand-in from; set ZT_BASE_IMAGE to an image with Node 24."
[[ $(id -u) == 0 ]] || fail "$wanted cannot be pulled, and building a stand-in needs root; set ZT_BASE_IMAGE to an image with Node 24."

say "$wanted cannot be pulled; building $standin (Debian bookworm, Node $version) …"
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
if ! command -v debootstrap >/dev/null; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap; } \
    >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log" >&2; fail "debootstrap could not be installed."; }
fi
debootstrap --variant=minbase --include=libstdc++6,ca-certificates bookworm "$work/rootfs" \
  >"$work/debootstrap.log" 2>&1 || { tail -n 20 "$work/debootstrap.log" >&2; fail "debootstrap failed."; }
rm -rf "$work"/rootfs/var/cache/apt/* "$work"/rootfs/var/lib/apt/lists/*
install -m 755 "$node" "$work/rootfs/usr/local/bin/node"
tar -C "$work/rootfs" -c . |
  docker import --change "LABEL node=$version" --change 'ENV PATH /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    - "$standin" >/dev/null
docker run --rm --network none "$standin" node --version >/dev/null || fail "$standin was built, but its Node does not run."
echo "$standin"
