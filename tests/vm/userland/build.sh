#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# build.sh [SUITE…]: install the user space of Debian releases in the user's cache directory, for the guests.
#
# Each tree has that release's Python, bcc and clang, and a virtual environment in /opt/spo-trace with the dependencies of
# spo-trace. The environment imports spo-trace itself from /usr/src/spo-trace, where the guest mounts the checkout.
# Default: trixie (Debian 13) and sid. An existing tree is kept; remove it to get newer packages.
#
# PYTHON=FILE          a Python with pip, which downloads the dependencies with this machine's configuration of pip
set -euo pipefail

PYTHON=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../../.." && pwd)
trees=${XDG_CACHE_HOME:-$HOME/.cache}/spo-trace/userland
PACKAGES=python3,python3-venv,python3-bpfcc,mawk,mount,procps,xz-utils
NEEDS=(mmdebstrap tar unshare)

main() {
    local suite
    check_tools
    mkdir -p "$trees"
    (($#)) || set -- trixie sid
    for suite in "$@"; do [ -e "$trees/$suite" ] || build "$suite"; done
}

fail() { echo "error: $*" >&2; exit 1; }

check_tools() {
    local tool missing=()
    for tool in "${NEEDS[@]}"; do command -v "$tool" > /dev/null || missing+=("$tool"); done
    ((!${#missing[@]})) || fail "missing: ${missing[*]}: apt-get install mmdebstrap (uidmap too, unless run as root)"
    "$PYTHON" -m pip --version > /dev/null || fail "$PYTHON has no pip: set PYTHON"
}

# The mirror that this machine's apt uses.
mirror() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "Debian" && !seen++ { print $2 }'
}

# inside TREE COMMAND…: run a command in the tree, which belongs to the user who runs this, root or not.
inside() { unshare --map-root-user chroot "$1" /usr/bin/env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "${@:2}"; }

build() {
    local suite=$1 tree=$trees/.$1.new uri
    uri=$(mirror)
    [ -n "$uri" ] || fail "this machine's apt has no Debian mirror"
    rm -rf --one-file-system "$tree"
    mkdir "$tree"
    echo "Unpacking Debian $suite into $trees/$suite"
    # A mirror may be some weeks old, so that sid's signature has expired.
    mmdebstrap --quiet --variant=minbase --include="$PACKAGES" --format=tar --skip=output/dev \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" - "$uri" |
        tar -x --no-same-owner -C "$tree" || fail "mmdebstrap could not unpack Debian $suite"
    install_dependencies "$tree"
    mv "$tree" "$trees/$suite"
    echo "Wrote $trees/$suite: $(inside "$trees/$suite" dpkg-query -W -f '${Package} ${Version}, ' python3 python3-bpfcc)$(du -sm "$trees/$suite" | cut -f1) MB"
}

# Downloaded outside, so that pip's configuration, which may contain a password, does not get into the tree.
install_dependencies() {
    local tree=$1 version tag platforms=() site
    version=$(inside "$tree" /usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    for tag in 2_28 2_27 2_24 2_17 2_12 2_5; do platforms+=(--platform "manylinux_${tag}_x86_64"); done
    dependencies > "$tree/tmp/requirements"
    "$PYTHON" -m pip download -qq --disable-pip-version-check --only-binary=:all: "${platforms[@]}" \
        --python-version "$version" --dest "$tree/tmp/wheels" --requirement "$tree/tmp/requirements"
    inside "$tree" /usr/bin/python3 -m venv /opt/spo-trace
    inside "$tree" /opt/spo-trace/bin/pip install --quiet --no-index --find-links /tmp/wheels --requirement /tmp/requirements
    rm -r --one-file-system "$tree/tmp/wheels" "$tree/tmp/requirements"
    site=$tree/opt/spo-trace/lib/python$version/site-packages
    echo /usr/src/spo-trace > "$site/spo-trace.pth"
    printf '#!/opt/spo-trace/bin/python\nfrom spo_trace.cli import main\nmain()\n' > "$tree/opt/spo-trace/bin/spo-trace"
    chmod +x "$tree/opt/spo-trace/bin/spo-trace"
    mkdir -p "$tree/usr/src/spo-trace" "$tree/dev"
}

dependencies() {
    "$PYTHON" -c 'import sys, tomllib
with open(sys.argv[1], "rb") as file:
    print(*tomllib.load(file)["project"]["dependencies"], sep="\n")' "$checkout/pyproject.toml"
}

main "$@"
