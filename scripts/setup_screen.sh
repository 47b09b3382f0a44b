#!/usr/bin/env bash
# Installs what the GUI tests need on a Debian or Ubuntu without a screen: Xvfb (pytest-xvfb starts it) and
# the libraries that Qt loads. Does nothing where everything is there, and on macOS and Windows.
set -euo pipefail

PACKAGES=(
    xvfb xauth xdotool libegl1 libgl1 libgl1-mesa-dri libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4
    libxcb-keysyms1 libxcb-shape0 libdbus-1-3 libfontconfig1 libglib2.0-0
)

if [ "$(uname -s)" != Linux ]; then
    exit 0 # these systems bring a screen
fi

if ! command -v dpkg-query >/dev/null; then
    if command -v Xvfb >/dev/null || [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
        exit 0
    fi
    echo "setup_screen: install Xvfb and Mesa's software OpenGL with your system's package manager" >&2
    exit 1
fi

have() { # a package, or what newer releases call it (libglib2.0-0t64)
    local status # dpkg-query fails where it does not know one of the two names
    status="$(dpkg-query -W -f '${Status}\n' "$1" "${1}t64" 2>/dev/null || true)"
    [[ $status == *"install ok installed"* ]]
}

missing=()
for package in "${PACKAGES[@]}"; do
    have "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

echo "setup_screen: installing ${missing[*]}"
root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup_screen: run as root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    root=(sudo)
fi
"${root[@]}" apt-get update -qq
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
