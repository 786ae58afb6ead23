#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# aarch64.sh [TEST…]: build the wheel for aarch64 with a cross compiler, and run it here, emulated.
#
# The last commit is built. Debian's Python for arm64 and the dependencies' own wheels for aarch64 are unpacked below
# ~/.cache/spo-trace/aarch64; qemu-user runs them: `spo-trace demo`, the collector, and TESTs (default: some of those that
# compare the compiled scanner with the grammar).
#
# PYTHON=FILE          a Python with pip and hatchling
set -euo pipefail

PYTHON=${PYTHON:-python3}
checkout=$(cd "$(dirname "$0")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/spo-trace/aarch64
tree=$cache/debian
NEEDS=(aarch64-linux-gnu-gcc qemu-aarch64-static mmdebstrap git xz)
PACKAGES=python3,zlib1g-dev,libstdc++6

main() {
    check_tools
    (($#)) || set -- tests/unit/formats/fast/test_{swap_entries,handles}.py
    work=$(mktemp -d "${TMPDIR:-/var/tmp}/spo-trace-aarch64-XXXXXX")
    trap 'rm -rf --one-file-system "$work"' EXIT
    unpack_debian
    build_wheel
    install_wheel
    # Python looks for modules in the current directory first: not in the checkout, whose scanner is for this machine.
    cd "$work/tests"
    emulated -m spo_trace demo
    collect
    emulated -m pytest -q -p no:cacheprovider "$@"
}

fail() { echo "error: $*" >&2; exit 1; }

check_tools() {
    local tool missing=()
    for tool in "${NEEDS[@]}"; do command -v "$tool" > /dev/null || missing+=("$tool"); done
    ((!${#missing[@]})) || fail "missing: ${missing[*]}: apt-get install gcc-aarch64-linux-gnu qemu-user-static mmdebstrap git xz-utils"
}

# This release of Debian, from the mirror that this machine's apt uses. Nothing of it is run while it is unpacked.
unpack_debian() {
    local uri suite
    [ -e "$tree" ] && return
    # shellcheck disable=SC2016
    read -r uri suite < <(apt-get indextargets --format '$(LABEL) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
        awk '$1 == "Debian" && !seen++ { print $2, $3 }')
    [ -n "$uri" ] || fail "this machine's apt has no Debian mirror"
    mkdir -p "$cache"
    rm -rf --one-file-system "$tree.new"
    mkdir "$tree.new"
    mmdebstrap --quiet --arch=arm64 --variant=extract --include="$PACKAGES" --format=tar --skip=output/dev "$suite" - "$uri" |
        tar -x --no-same-owner -C "$tree.new"
    mv "$tree.new" "$tree"
}

build_wheel() {
    local zlib=$work/zlib
    mkdir "$work/source" "$zlib"
    git -C "$checkout" archive HEAD | tar -x -C "$work/source"
    cp "$tree"/usr/include/{zlib,zconf}.h "$tree/usr/lib/aarch64-linux-gnu/libz.a" "$zlib"
    (cd "$work/source" && _PYTHON_HOST_PLATFORM=linux-aarch64 CC=aarch64-linux-gnu-gcc CPPFLAGS=-I$zlib LDFLAGS=-L$zlib \
        "$PYTHON" -m hatchling build -t wheel -d "$work/wheel")
}

# The tests without the checkout's spo_trace, so that they import the wheel's.
install_wheel() {
    local version platform platforms=()
    version=$(emulated -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    for platform in linux_aarch64 manylinux2014_aarch64 manylinux_2_28_aarch64; do platforms+=(--platform "$platform"); done
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --target "$work/site" "${platforms[@]}" \
        --python-version "$version" --only-binary=:all: "$work"/wheel/*.whl pytest hypothesis
    mkdir "$work/tests"
    cp -r "$work/source/tests" "$work/source/fixtures" "$work/source/pyproject.toml" "$work/tests"
}

# The collector copies the kernel's files out of a machine that has only page_owner.
collect() {
    local file=sys/kernel/debug/page_owner
    mkdir -p "$work/machine/${file%/*}"
    xz -dc "$checkout/fixtures/captures/7.2-spo/1-dd256/page_owner.xz" > "$work/machine/$file"
    qemu-aarch64-static "$work/site/spo_trace/native/spo-collect" -r "$work/machine" "$work/capture"
    ls "$work/capture"
}

emulated() { PYTHONPATH=$work/site qemu-aarch64-static -L "$tree" "$tree/usr/bin/python3" "$@"; }

main "$@"
