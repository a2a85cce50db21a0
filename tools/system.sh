#!/usr/bin/env bash
# Install what comes from the system and not from Python: `system.sh venv PYTHON`, `system.sh tests`, `system.sh bench`.
# As root on Debian or Ubuntu it installs what is missing; else it says what is missing and how to get it.
set -euo pipefail

need() {  # need TEST_THAT_SUCCEEDS_WHEN_THERE WHAT_FOR PACKAGE [OTHER_NAME_OF_THE_PACKAGE...]
  local there=$1 purpose=$2
  shift 2
  if eval "$there" >/dev/null 2>&1; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq >&2
    for package in "$@"; do
      echo "installing $package ($purpose)" >&2
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null || continue
      if eval "$there" >/dev/null 2>&1; then return; fi
    done
  fi
  echo "cannot go on, because $1 is missing ($purpose); install it: sudo apt-get install $1" >&2
  exit 1
}

case "${1:-}" in
  venv)
    python=${2:-python3}
    need "command -v '$python'" "the interpreter" python3
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      echo "cannot use $python, because its version is $("$python" -V 2>&1), older than 3.11; name a newer one: make PYTHON=python3.12 ..." >&2
      exit 1
    fi
    release=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    need "'$python' -c 'import ensurepip, venv'" "virtual environments" python3-venv "$release-venv"
    need "'$python' -c 'import ctypes; ctypes.CDLL(\"libexpat.so.1\")'" "GDAL links it" libexpat1
    ;;
  tests)
    need "command -v git" "tests of the project's own files" git
    need "command -v chromium || command -v chromium-browser || command -v google-chrome" "tests of the page" chromium chromium-browser
    ;;
  bench) need "command -v g++" "a peer is compiled" g++ ;;
  *) echo "cannot do '${1:-}', because it is unknown; say venv, tests or bench" >&2; exit 2 ;;
esac
