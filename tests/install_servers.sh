#!/bin/sh
# Installs what the tests run against and the machine lacks: a browser, PostgreSQL, Redis, Prometheus, bubblewrap.
set -eu

missing=""
command -v chromium >/dev/null || missing="$missing chromium"
command -v bwrap >/dev/null || missing="$missing bubblewrap"
command -v redis-server >/dev/null || missing="$missing redis-server"
command -v prometheus >/dev/null || missing="$missing prometheus"
command -v java >/dev/null || missing="$missing default-jre-headless"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "The tests need$missing. Install them with this system's package manager and run make test again." >&2
    exit 1
fi
become=""
[ "$(id -u)" -eq 0 ] || become="sudo"
echo "Installing for the tests:$missing"
export DEBIAN_FRONTEND=noninteractive
$become apt-get update -qq
# shellcheck disable=SC2086
$become apt-get install -y -qq --no-install-recommends $missing >/dev/null
