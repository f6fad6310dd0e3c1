#!/usr/bin/env bash
# A container engine for `pnpm test:e2e`, for machines that have none.
#
#   engine.sh start          uses the engine that answers; otherwise installs Debian's and starts it (as root)
#   engine.sh status         says which engine answers; exit code 1 when none does
#   engine.sh stop           ends the engine that `start` started, and no other; its images stay for the next start
#   engine.sh stop --purge   the same, and removes its images and volumes
#
# ZT_ENGINE_DIR   where the engine keeps its state (default /var/tmp/zero-trust-engine)
set -euo pipefail

state=${ZT_ENGINE_DIR:-/var/tmp/zero-trust-engine}
pidfile=$state/dockerd.pid
log=$state/dockerd.log
# The default socket, so that every client finds the engine without a variable.
socket=/var/run/docker.sock
wait_seconds=60

say() { echo "engine: $*" >&2; }
fail() { say "$*"; exit 1; }

answers() { docker version --format '{{.Server.Version}}' 2>/dev/null; }

# Ours only if the pid in our file is a dockerd that was started with our state folder: pids are reused.
our_pid() {
  local pid
  [[ -r $pidfile ]] && pid=$(<"$pidfile") && [[ -r /proc/$pid/cmdline ]] || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "dockerd --data-root $state/data" || return 1
  echo "$pid"
}

install_engine() {
  command -v dockerd >/dev/null && command -v docker >/dev/null && command -v iptables >/dev/null && return
  command -v apt-get >/dev/null || fail "no engine answers, and only Debian's can be installed here: start Docker, then try again."
  say "installing docker.io from Debian's packages …"
  mkdir -p "$state"
  # policy-rc.d 101: the package must not start a service of its own.
  local policy=/usr/sbin/policy-rc.d made=""
  if [[ ! -e $policy ]]; then made=yes; printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; fi
  local packages=(docker.io iptables ca-certificates) status=0
  # Where the kernel has AppArmor on, the engine loads a profile for its containers and needs the parser.
  if [[ -r /sys/module/apparmor/parameters/enabled ]]; then packages+=(apparmor); fi
  {
    apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"
  } >"$state/apt.log" 2>&1 || status=$?
  [[ -z $made ]] || rm -f "$policy"
  ((status == 0)) || { tail -n 20 "$state/apt.log" >&2; fail "docker.io could not be installed; the whole output is in $state/apt.log."; }
}

start() {
  local version
  if version=$(answers); then say "using the engine that runs already (version $version)."; return; fi
  [[ $(uname -s) == Linux ]] || fail "no engine answers: start Docker, then try again."
  [[ $(id -u) == 0 ]] || fail "no engine answers, and starting one needs root: start Docker, or run this as root."
  install_engine
  mkdir -p "$state"
  rm -f "$pidfile"
  # containerd's socket lies under exec-root, so this engine shares nothing with another one.
  # stdin and every inherited descriptor go: whoever waits for our output must not wait for the engine.
  setsid dockerd --data-root "$state/data" --exec-root "$state/exec" --pidfile "$pidfile" --host "unix://$socket" \
    </dev/null >"$log" 2>&1 &
  local child=$! deadline=$((SECONDS + wait_seconds))
  until version=$(answers); do
    kill -0 "$child" 2>/dev/null || { tail -n 15 "$log" >&2; fail "dockerd ended at once; its log is $log."; }
    ((SECONDS < deadline)) || { tail -n 15 "$log" >&2; kill "$child"; fail "dockerd did not answer within $wait_seconds s; its log is $log."; }
    sleep 0.2
  done
  say "started (version $version, process $(our_pid)); end it with: bash infra/docker/engine.sh stop"
}

stop() {
  local pid
  if pid=$(our_pid); then
    kill -TERM "$pid"
    local deadline=$((SECONDS + wait_seconds))
    while our_pid >/dev/null; do
      ((SECONDS < deadline)) || fail "process $pid still runs after $wait_seconds s; its log is $log."
      sleep 0.2
    done
    rm -f "$pidfile" "$socket"
    say "stopped."
  else
    say "nothing to stop: no engine of ours runs."
  fi
  if [[ ${1:-} == --purge ]]; then
    # A mount left behind would have its contents deleted through it.
    if grep -qF " $state/" /proc/self/mounts; then fail "$state still has mounts; not removed."; fi
    rm -rf -- "$state"
    say "removed $state."
  fi
}

status() {
  local version pid
  version=$(answers) || fail "none answers; start one with: bash infra/docker/engine.sh start"
  if pid=$(our_pid); then say "version $version, ours (process $pid)."; else say "version $version, not ours."; fi
}

case ${1:-} in
  start) start ;;
  stop) stop "${2:-}" ;;
  status) status ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
