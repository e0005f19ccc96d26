# Sourced by the scripts of this folder. Installs what is missing and builds; prints what it does.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '\n== %s\n' "$*"; }

# need COMMAND PACKAGE: installs the Debian package that brings the command, if the command is not there.
need() {
    if command -v "$1" >/dev/null 2>&1; then return; fi
    echo "installing $2 (for $1)"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "error: $1 is missing and this user cannot install it; as root: apt-get install $2" >&2
            exit 2
        fi
        as_root=(sudo)
    fi
    if [ -z "${apt_updated:-}" ]; then
        "${as_root[@]}" apt-get update -qq
        apt_updated=1
    fi
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$2" >/dev/null
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
}
