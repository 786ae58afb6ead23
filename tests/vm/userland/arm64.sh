#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# arm64.sh: unpack Python and the dependencies of spo-trace for arm64 in the user's cache directory, for the guests.
#
# The tree arm64-trixie has Debian 13's Python and libbpf, and the wheels of aarch64 in /opt/spo-trace. Nothing of it is run on this
# machine; guests with busybox run it in a chroot. An existing tree is kept; remove it to get newer packages.
#
# PYTHON=FILE          a Python with pip, which downloads the wheels with this machine's configuration of pip
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/vm/userland/common.sh
. "$here/common.sh"
name=arm64-trixie

main() {
    local tree=$trees/.$name.new wheel
    [ ! -e "$trees/$name" ] || return 0
    check_tools mmdebstrap tar
    UNPACK=(--variant=extract --architectures=arm64)
    unpack trixie base-files,python3,libstdc++6,libbpf1 "$tree"
    # What installing packages would have made.
    mkdir -p "$tree"/{dev,proc,run,sys,tmp,opt/spo-trace,usr/src/spo-trace}
    [ -e "$tree/lib" ] || ln -s usr/lib "$tree/lib"
    needed 3.13 dependencies > "$tree/tmp/requirements"
    MACHINE=aarch64
    fetch 3.13 "$tree/tmp/wheels" --requirement "$tree/tmp/requirements"
    for wheel in "$tree"/tmp/wheels/*.whl; do "$PYTHON" -m zipfile -e "$wheel" "$tree/opt/spo-trace"; done
    rm -r --one-file-system "$tree/tmp/wheels" "$tree/tmp/requirements"
    mv "$tree" "$trees/$name"
    echo "Wrote $trees/$name: $(du -sm "$trees/$name" | cut -f1) MB"
}

main
