#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# checkpatch.sh FILE…: check C files with the kernel's scripts/checkpatch.pl, from Debian's linux-source package.
#
# The package (140 MB) is downloaded once. The script and its word lists are kept in the user's cache directory.
# Where the package is not available, the check is skipped with a message and exit status 0.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/spo-trace/checkpatch
NEEDS=(apt-get apt-cache dpkg-deb perl tar xz)
KEPT=(checkpatch.pl spelling.txt const_structs.checkpatch)
# PREFER_KERNEL_TYPES: user space has uint64_t, not u64.
# BIT_MACRO: user space has no BIT().
# CAMELCASE: zlib has such names, and C11 _Noreturn.
IGNORED=PREFER_KERNEL_TYPES,BIT_MACRO,CAMELCASE

skip() { echo "SKIPPED: checkpatch: $*"; exit 0; }

download() {
    local tool package scratch
    for tool in "${NEEDS[@]}"; do command -v "$tool" > /dev/null || skip "$tool is not installed"; done
    package=$(apt-cache depends linux-source 2> /dev/null | awk '$1 == "Depends:" { print $2; exit }')
    [ -n "$package" ] || skip "apt has no linux-source package (apt-get update)"
    mkdir -p "$cache"
    scratch=$(mktemp -d "$cache/download.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf '$scratch'" EXIT
    echo "Downloading $package for checkpatch.pl (140 MB, once)"
    (cd "$scratch" && apt-get -qq download "$package") || skip "$package cannot be downloaded"
    dpkg-deb --fsys-tarfile "$scratch"/*.deb | tar -x --to-stdout "./usr/src/$package.tar.xz" |
        tar -xJ -C "$scratch" --strip-components=2 "${KEPT[@]/#/$package/scripts/}"
    for tool in "${KEPT[@]}"; do mv "$scratch/$tool" "$cache/$tool.new"; done
    for tool in "${KEPT[@]}"; do mv "$cache/$tool.new" "$cache/$tool"; done
    rm -rf "$scratch"
    trap - EXIT
}

# This file is renamed last, so that an interrupted download starts again.
[ -e "$cache/const_structs.checkpatch" ] || download
command -v perl > /dev/null || skip "perl is not installed"
perl "$cache/checkpatch.pl" --no-tree --strict --terse --no-summary --show-types --ignore "$IGNORED" --file "$@"
