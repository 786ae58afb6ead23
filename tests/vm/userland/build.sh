#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# build.sh [SUITE…]: install the user space of Debian releases in the user's cache directory, for the guests.
#
# Each tree has that release's Python, bcc and clang, and a virtual environment in /opt/spo-trace with the dependencies of
# spo-trace. The environment imports spo-trace itself from /usr/src/spo-trace, where the guest mounts the checkout.
# Default: trixie (Debian 13) and sid; arm64 is arm64.sh. An existing tree is kept; remove it to get newer packages.
#
# PYTHON=FILE          a Python with pip, which downloads the dependencies with this machine's configuration of pip
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/vm/userland/common.sh
. "$here/common.sh"
PACKAGES=python3,python3-venv,python3-bpfcc,mawk,mount,procps,xz-utils

main() {
    local suite
    check_tools mmdebstrap tar unshare
    mkdir -p "$trees"
    (($#)) || set -- trixie sid
    for suite in "$@"; do
        if [ "$suite" = arm64 ]; then
            PYTHON=$PYTHON "$here/arm64.sh"
        elif [ ! -e "$trees/$suite" ]; then
            build "$suite"
        fi
    done
}

build() {
    local suite=$1 tree=$trees/.$1.new
    unpack "$suite" "$PACKAGES" "$tree"
    install_dependencies "$tree"
    mv "$tree" "$trees/$suite"
    echo "Wrote $trees/$suite: $(chroot_to "$trees/$suite" dpkg-query -W -f '${Package} ${Version}, ' python3 python3-bpfcc)$(du -sm "$trees/$suite" | cut -f1) MB"
}

install_dependencies() {
    local tree=$1 version site
    version=$(version_of "$tree")
    needed "$version" dependencies > "$tree/tmp/requirements"
    fetch "$version" "$tree/tmp/wheels" --requirement "$tree/tmp/requirements"
    chroot_to "$tree" /usr/bin/python3 -m venv /opt/spo-trace
    chroot_to "$tree" /opt/spo-trace/bin/pip install --quiet --no-index --find-links /tmp/wheels --requirement /tmp/requirements
    rm -r --one-file-system "$tree/tmp/wheels" "$tree/tmp/requirements"
    site=$tree/opt/spo-trace/lib/python$version/site-packages
    echo /usr/src/spo-trace > "$site/spo-trace.pth"
    printf '#!/opt/spo-trace/bin/python\nfrom spo_trace.cli import main\nmain()\n' > "$tree/opt/spo-trace/bin/spo-trace"
    chmod +x "$tree/opt/spo-trace/bin/spo-trace"
    mkdir -p "$tree/usr/src/spo-trace" "$tree/dev"
}

main "$@"
