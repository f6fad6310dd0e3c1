#!/usr/bin/env bash
# What `pnpm test:interop` needs besides Node, from Debian's packages (as root): grpcio for Python, grpc for Go.
set -euo pipefail

packages=(python3-grpcio python3-protobuf golang-go golang-google-grpc-dev protoc-gen-go-1-3)
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { echo "interop: $*" >&2; }
fail() { say "$*"; exit 1; }

missing=()
for package in "${packages[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then say "everything is there."; exit; fi

command -v apt-get >/dev/null || fail "${missing[*]}: only Debian's packages can be installed here."
[[ $(id -u) == 0 ]] || fail "installing ${missing[*]} needs root: run this as root."
say "installing ${missing[*]} from Debian's packages …"
{
  timeout 60 apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive timeout 240 apt-get install -y -qq --no-install-recommends "${missing[@]}"
} </dev/null >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "${missing[*]} could not be installed."; }
