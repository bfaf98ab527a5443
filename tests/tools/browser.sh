#!/bin/sh
# Finds Chromium for the browser tests, or installs it where that can be done; says so where it cannot.
# Usage: browser.sh PYTHON
python=$1
found() { "$python" tests/browser/chromium.py; }

if path=$(found); then
    echo "Browser: $path"
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && grep -qs '^ID=debian' /etc/os-release; then
    echo "Installing Chromium with apt-get ..."
    apt-get update -qq </dev/null
    for package in chromium-headless-shell chromium; do  # older Debians have the second alone
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $package </dev/null >/dev/null && break
    done
else
    echo "Installing Chromium with playwright ..."
    "$python" -m playwright install chromium </dev/null
fi
if path=$(found); then
    echo "Browser: $path"
elif [ -n "${CI:-}" ]; then
    echo "No Chromium could be installed, and the browser tests must run where CI is set." >&2
    exit 1
else
    echo "No Chromium could be installed: the browser tests will be skipped."
fi
