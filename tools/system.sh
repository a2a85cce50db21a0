#!/usr/bin/env bash
# Install what comes from the system and not from Python: `system.sh venv PYTHON`, `system.sh tests`, `system.sh bench`.
# As root on Debian or Ubuntu it installs what is missing; else it says what is missing and how to get it.
set -euo pipefail

need() {  # need COMMAND_THAT_SUCCEEDS_WHEN_THERE PACKAGE WHAT_FOR
  if eval "$1" >/dev/null 2>&1; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing $2 ($3)" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null
  else
    echo "cannot go on, because $2 is missing ($3); install it: sudo apt-get install $2" >&2
    exit 1
  fi
}

case "$1" in
  venv)
    need "command -v $2" python3 "the interpreter"
    need "$2 -c 'import sys; sys.exit(sys.version_info < (3, 11))'" python3.11 "Python 3.11 or newer; then PYTHON=python3.11 make ..."
    need "$2 -c 'import ensurepip, venv'" "python3-venv" "virtual environments"
    ;;
  tests) need "command -v chromium || command -v chromium-browser || command -v google-chrome" chromium "tests of the page" ;;
  bench) need "command -v g++" g++ "a peer is compiled" ;;
  *) echo "cannot do '$1', because it is unknown; say venv, tests or bench" >&2; exit 2 ;;
esac
