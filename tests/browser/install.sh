#!/bin/sh
# Installs what the tests in this folder need from Debian, where it is missing and may be:
# Chromium, its driver, and one font. Elsewhere it only says what is missing.
set -eu
missing=""
command -v chromium >/dev/null || missing="$missing chromium"
command -v chromedriver >/dev/null || missing="$missing chromium-driver"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "missing:$missing (Debian's names); tests/browser needs them" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
apt-get -qq install -y --no-install-recommends chromium chromium-driver fonts-dejavu-core >/dev/null
