#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# initrd.sh COLLECTOR JOB OUTPUT [PACKAGE]: write the initrd of an arm64 guest: Debian's busybox, spo-collect, init.sh, a job,
# and the directory PACKAGE as /package.
#
# busybox-static comes from the mirror that this machine's apt uses. It is downloaded once, into the user's cache directory,
# with private package lists: neither root nor arm64 as an architecture of this machine is needed.
# BUSYBOX=FILE    a static busybox of arm64 instead
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/spo-trace/arm64
BUSYBOX=${BUSYBOX:-$cache/busybox}
NEEDS=(apt-get dpkg-deb cpio gzip)

main() {
    local tool
    for tool in "${NEEDS[@]}"; do command -v "$tool" > /dev/null || fail "$tool is missing"; done
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    [ -x "$BUSYBOX" ] || download
    mkdir -p "$scratch"/root/{bin,dev,proc,run,sys,tmp}
    cp "$BUSYBOX" "$scratch/root/bin/busybox"
    cp "$1" "$scratch/root/bin/spo-collect"
    cp "$here/init.sh" "$scratch/root/init"
    cp "$here/lib.sh" "$scratch/root/lib.sh"
    cp "$2" "$scratch/root/job.sh"
    [ -z "${4:-}" ] || cp -r "$4" "$scratch/root/package"
    chmod 755 "$scratch"/root/init "$scratch"/root/bin/*
    (cd "$scratch/root" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1n > "$3"
}

fail() { echo "error: $*" >&2; exit 1; }

arm64() {
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Acquire::Languages=none \
        -o APT::Update::Post-Invoke::= -o Dir::State="$scratch/apt" -o Dir::State::status="$scratch/apt/status" \
        -o Dir::Cache="$scratch/apt" "$@" 2> "$scratch/apt/errors"
}

download() {
    mkdir -p "$scratch"/apt/{lists,archives}/partial "$cache"
    touch "$scratch/apt/status"
    cd "$scratch"
    arm64 update && arm64 download busybox-static || fail "no busybox-static of arm64: $(tail -n 1 "$scratch/apt/errors")"
    dpkg-deb --extract busybox-static_*_arm64.deb "$scratch/package"
    # Another process may download it at the same time.
    cp "$scratch/package/bin/busybox" "$BUSYBOX.$$"
    mv "$BUSYBOX.$$" "$BUSYBOX"
    cd "$OLDPWD"
}

main "$@"
