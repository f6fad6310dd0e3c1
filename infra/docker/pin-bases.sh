#!/usr/bin/env bash
# Pins the base images: asks their registries which digest each tag has now, and prints it as the variable that overrides it.
#
#   pin-bases.sh                  prints export ZT_BASE_IMAGE=…:nonroot@sha256:… and so on
#   eval "$(pin-bases.sh)"        builds from these bytes and no others, in this shell
#   pin-bases.sh --write          writes them into the ARGs of the Dockerfiles, to be committed; run it again for newer ones
#
# It pulls the images, since that works with every registry and login that the engine knows. Exit code 1 where one cannot be
# had: then nothing is printed on standard output, and nothing is written.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pull_seconds=600

say() { echo "pin: $*" >&2; }
fail() { say "$*"; exit 1; }
[[ ${1:-} == "" || ${1:-} == --write ]] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
docker version >/dev/null 2>&1 || fail "no container engine answers; start one with: bash infra/docker/engine.sh start"

# KIND  VARIABLE  ARG  FILE
table="runtime ZT_BASE_IMAGE BASE Dockerfile
builder ZT_BUILDER_IMAGE BUILDER Dockerfile
debian ZT_DEBIAN_IMAGE DEBIAN faketime.Dockerfile"

pins=()
while read -r kind _; do
  wanted=$(bash "$here/base-images.sh" "$kind" --wanted)
  # A digest that is there already is what the next one replaces.
  tagged=${wanted%@*}
  repository=${tagged%:*}
  say "asking for $tagged …"
  said=$(timeout "$pull_seconds" docker pull --quiet "$tagged" 2>&1) ||
    fail "no registry in reach that has $tagged, so nothing is pinned: ${said:-no answer within $pull_seconds s}"
  digest=$(docker image inspect --format '{{join .RepoDigests "\n"}}' "$tagged" | grep -F "$repository@" | head -n 1 || true)
  # Docker Hub's names are short here and there.
  [[ -n $digest ]] || digest=$(docker image inspect --format '{{index .RepoDigests 0}}' "$tagged")
  pins+=("$tagged@${digest#*@}")
done <<<"$table"

index=0
while read -r _ variable arg file; do
  pin=${pins[index]}
  if [[ ${1:-} == --write ]]; then
    sed -i.before "s|^ARG $arg=.*|ARG $arg=$pin|" "$here/$file" && rm "$here/$file.before"
    say "$file: ARG $arg=$pin"
  else
    echo "export $variable=$pin"
  fi
  index=$((index + 1))
done <<<"$table"
