#!/usr/bin/env bash
# Prints the name of a base image that is there.
#
#   base-images.sh runtime   what services run on: Node 24 and no shell                ZT_BASE_IMAGE
#   base-images.sh builder   what they are built in: Node 24 with npm                  ZT_BUILDER_IMAGE
#   base-images.sh debian    where other programs come from: Debian with apt           ZT_DEBIAN_IMAGE
#   base-images.sh postgres  PostgreSQL for infra/compose and the tests                ZT_POSTGRES_IMAGE
#   base-images.sh valkey    Valkey for the same                                       ZT_VALKEY_IMAGE
#   base-images.sh prometheus       Prometheus for the same                            ZT_PROMETHEUS_IMAGE
#   base-images.sh KIND --wanted    the name alone, whether it is there or not
#
# The variable names the image wanted; unless it is set, the ARG of the Dockerfile does, or infra/compose/compose.yaml. A local
# one is used; else it is pulled; where it cannot be pulled, a stand-in is built from Debian's packages and the Node binary that
# npm brought (Linux): zero-trust/runtime:local, zero-trust/debian:local, which has Node and no npm, zero-trust/postgres:local,
# zero-trust/valkey:local, which is Debian's Redis, and zero-trust/prometheus:local.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
pull_seconds=120
kind=${1:-}

say() { echo "base image: $*" >&2; }
fail() { say "$*"; exit 1; }
local_image() { docker image inspect "$1" >/dev/null 2>&1; }
default_of() { sed -n "s/^ARG $1=//p" "$here/$2"; }
composed() { sed -n "s/.*\${$1:-\([^}]*\)}.*/\1/p" "$root/infra/compose/compose.yaml" | head -n 1; }

case $kind in
  runtime) variable=ZT_BASE_IMAGE default=$(default_of BASE Dockerfile) standin=zero-trust/runtime:local ;;
  builder) variable=ZT_BUILDER_IMAGE default=$(default_of BUILDER Dockerfile) standin=zero-trust/debian:local ;;
  debian) variable=ZT_DEBIAN_IMAGE default=$(default_of DEBIAN faketime.Dockerfile) standin=zero-trust/debian:local ;;
  postgres) variable=ZT_POSTGRES_IMAGE default=$(composed ZT_POSTGRES_IMAGE) standin=zero-trust/postgres:local ;;
  valkey) variable=ZT_VALKEY_IMAGE default=$(composed ZT_VALKEY_IMAGE) standin=zero-trust/valkey:local ;;
  prometheus) variable=ZT_PROMETHEUS_IMAGE default=$(composed ZT_PROMETHEUS_IMAGE) standin=zero-trust/prometheus:local ;;
  *) sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
chosen=${!variable:-}
wanted=${chosen:-$default}
if [[ ${2:-} == --wanted ]]; then echo "$wanted"; exit; fi

docker version >/dev/null 2>&1 || fail "no container engine answers; start one with: bash infra/docker/engine.sh start"

if local_image "$wanted"; then echo "$wanted"; exit; fi

node=""
for candidate in "$root"/node_modules/node-linux-*/bin/node; do [[ -x $candidate ]] && node=$candidate; done

# The stand-in carries the version of its Node as a label: another Node makes another stand-in.
version=""
[[ -z $node ]] || version=$("$node" --version)
made=$(docker image inspect --format '{{index .Config.Labels "node"}}' "$standin" 2>/dev/null || true)
if [[ -n $version && $made == "$version" && -z $chosen ]]; then echo "$standin"; exit; fi

say "pulling $wanted …"
if timeout "$pull_seconds" docker pull --quiet "$wanted" >/dev/null 2>&1; then echo "$wanted"; exit; fi
advice="set $variable to an image that can be had."
if [[ $kind == postgres || $kind == valkey || $kind == prometheus ]]; then
  debian=$(bash "${BASH_SOURCE[0]}" debian)
  say "$wanted cannot be pulled; building $standin from Debian's packages …"
  docker build --quiet --tag "$standin" --file "$here/$kind.Dockerfile" --build-arg "DEBIAN=$debian" "$here" >&2 ||
    fail "$standin could not be built; $advice"
  echo "$standin"
  exit
fi
[[ -n $node ]] || fail "$wanted cannot be pulled, and npm brought no Node binary to build a stand-in from; $advice"
command -v apt-get >/dev/null || fail "$wanted cannot be pulled, and a stand-in is built from Debian's packages, on Debian; $advice"

say "$wanted cannot be pulled; building $standin from Debian's packages, with Node $version …"
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
rootfs=$work/rootfs

# Runs a program that says nothing unless it fails.
quietly() {
  "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; fail "$1 $2 failed; $advice"; }
}

# As distroless is made: packages are unpacked and not installed, so there is neither a shell nor a package manager.
unpack_runtime() {
  mkdir -p "$rootfs"/{etc/ssl/certs,home/nonroot,nodejs/bin,tmp}
  cd "$work"
  local packages=(base-files ca-certificates libc6 libgcc-s1 libstdc++6 netbase tzdata)
  apt-get download "${packages[@]}" >/dev/null 2>&1 || {
    quietly apt-get update -qq
    quietly apt-get download "${packages[@]}"
  }
  for package in base-files_* *.deb; do dpkg-deb --extract "$package" "$rootfs"; done
  cat "$rootfs"/usr/share/ca-certificates/mozilla/*.crt >"$rootfs/etc/ssl/certs/ca-certificates.crt"
  rm -rf "$rootfs"/usr/{sbin,share/{doc-base,lintian,locale,man}} "$rootfs"/usr/lib/*/gconv
  printf '%s\n' root:x:0:0:root:/root:/sbin/nologin nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin >"$rootfs/etc/passwd"
  printf '%s\n' root:x:0: nonroot:x:65532: >"$rootfs/etc/group"
  echo "hosts: files dns" >"$rootfs/etc/nsswitch.conf"
  chmod 1777 "$rootfs/tmp"
  install -m 755 "$node" "$rootfs/nodejs/bin/node"
}

install_debian() {
  [[ $(id -u) == 0 ]] || fail "$wanted cannot be pulled, and building this stand-in needs root; $advice"
  if ! command -v debootstrap >/dev/null; then
    quietly apt-get update -qq
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -y -qq --no-install-recommends debootstrap
  fi
  quietly debootstrap --variant=minbase --include=libstdc++6,ca-certificates bookworm "$rootfs"
  rm -rf "$rootfs"/var/cache/apt/* "$rootfs"/var/lib/apt/lists/*
  install -m 755 "$node" "$rootfs/usr/local/bin/node"
}

case $standin in
  zero-trust/runtime:local) unpack_runtime ;;
  *) install_debian ;;
esac
path=/nodejs/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
tar --owner=0 --group=0 --numeric-owner -C "$rootfs" -c . |
  docker import --change "LABEL node=$version" --change "ENV PATH $path" - "$standin" >/dev/null
docker run --rm --network none "$standin" node --version >/dev/null || fail "$standin was built, but its Node does not run."
echo "$standin"
