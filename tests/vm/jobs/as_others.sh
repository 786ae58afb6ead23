# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Python and this checkout may be in root's home: let other users of this guest access it.
keep() {
    mkdir -p "/run/keep/$1"
    mount --bind "$2" "/run/keep/$1"
}
base=$(python -c 'import sys; print(sys.base_prefix)')
repository=$(realpath "$VM/../..")
keep base "$base"
keep repository "$repository"
mount -t tmpfs -o mode=755 tmpfs /root
mkdir -p "$base" "$repository" 2> /dev/null
mount --bind /run/keep/base "$base"
mount --bind /run/keep/repository "$repository"
