# Sourced by the scripts of this folder. Installs what is missing and builds; prints what it does.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '\n== %s\n' "$*"; }

# need COMMAND PACKAGE: installs the Debian package that brings the command, if the command is not there.
need() {
    if command -v "$1" >/dev/null 2>&1; then return; fi
    echo "installing $2 (for $1)"
    install_package "$2"
}

install_package() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "error: $1 is missing and this user cannot install it; as root: apt-get install $1" >&2
            exit 2
        fi
        as_root=(sudo)
    fi
    if [ -z "${apt_updated:-}" ]; then
        "${as_root[@]}" apt-get update -qq
        apt_updated=1
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null
}

need_rust() {
    if ! command -v cargo >/dev/null 2>&1 && [ -f "$HOME/.cargo/env" ]; then
        # shellcheck disable=SC1091
        . "$HOME/.cargo/env"
    fi
    if ! command -v cargo >/dev/null 2>&1; then
        echo "error: cargo is missing; install Rust 1.95 or newer (https://rustup.rs), then run this again" >&2
        exit 2
    fi
    need cc build-essential
    need pcap-config libpcap-dev
}

# need_stacks: the environment with the Modbus, S7 and DNP3 stacks of the live tests.
need_stacks() { need_python live; }

# need_receivers: rsyslog with TLS, NATS, and the parsers and schemas of others that forwarded messages are held against.
need_receivers() {
    need rsyslogd rsyslog
    need openssl openssl
    need nats-server nats-server
    if ! ls /usr/lib/*/rsyslog/lmnsd_ossl.so >/dev/null 2>&1; then install_package rsyslog-openssl; fi
    need_python forward
    need_node forward
}

# need_centre: what the centre of many sensors stands on, PostgreSQL and NATS.
need_centre() {
    need nats-server nats-server
    if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then install_package postgresql; fi
}

# need_python SUITE: target/SUITE-venv with what tests/SUITE/requirements.txt names. Says so where it cannot be made; the tests
# then skip what wants it.
need_python() {
    local folder=$root/target/$1-venv wanted=$root/tests/$1/requirements.txt
    if cmp -s "$wanted" "$folder/made-from.txt" 2>/dev/null; then return; fi
    if ! /usr/bin/python3 -c 'import ensurepip' 2>/dev/null; then install_package python3-venv; fi
    if rm -rf "$folder" && /usr/bin/python3 -m venv "$folder" &&
        "$folder/bin/pip" install --quiet --disable-pip-version-check -r "$wanted"; then
        cp "$wanted" "$folder/made-from.txt"
    else
        echo "skipped: what the $1 tests want could not be installed (tests/$1/requirements.txt)"
        rm -rf "$folder"
    fi
}

# need_browser: chromium, Node.js and the packages of tests/browser, as its lock file names them.
need_browser() {
    need chromium chromium
    need_node browser
}

# need_node SUITE: Node.js, and the packages of tests/SUITE as its lock file names them.
need_node() {
    local suite=tests/$1
    need node nodejs
    need npm npm
    if ! cmp -s "$suite/package-lock.json" "$suite/node_modules/made-from.json" 2>/dev/null; then
        npm --prefix "$suite" ci --ignore-scripts --no-audit --no-fund --loglevel=error
        cp "$suite/package-lock.json" "$suite/node_modules/made-from.json"
    fi
}
