# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Functions of the scripts in this directory. PYTHON: a Python with pip. here: this directory.
checkout=$(cd "$here/../../.." && pwd)
trees=${XDG_CACHE_HOME:-$HOME/.cache}/spo-trace/userland
PYTHON=${PYTHON:-python3}

fail() { echo "error: $*" >&2; exit 1; }

# check_tools TOOL…
check_tools() {
    local tool missing=()
    for tool; do command -v "$tool" > /dev/null || missing+=("$tool"); done
    ((!${#missing[@]})) || fail "missing: ${missing[*]}: apt-get install mmdebstrap (uidmap too, unless run as root)"
    "$PYTHON" -m pip --version > /dev/null || fail "$PYTHON has no pip: set PYTHON"
}

# The mirror that this machine's apt uses.
mirror() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "Debian" && !seen++ { print $2 }'
}

# unpack SUITE PACKAGES TREE: install a Debian release in the new directory TREE. UNPACK: how, as options of mmdebstrap
UNPACK=(--variant=minbase)
unpack() {
    local uri
    uri=$(mirror)
    [ -n "$uri" ] || fail "this machine's apt has no Debian mirror"
    rm -rf --one-file-system "$3"
    mkdir -p "$3"
    echo "Unpacking Debian $1 into $3"
    # A mirror may be some weeks old, so that sid's signature has expired.
    mmdebstrap --quiet "${UNPACK[@]}" --include="$2" --format=tar --skip=output/dev \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$1" - "$uri" |
        tar -x --no-same-owner -C "$3" || fail "mmdebstrap could not unpack Debian $1"
}

# version_of PYTHON in TREE: 3.13
version_of() { chroot_to "$1" /usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# chroot_to TREE COMMAND…: run a command in the tree, which belongs to the user who runs this, root or not.
chroot_to() { unshare --map-root-user chroot "$1" /usr/bin/env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "${@:2}"; }

# within TREE COMMAND…: run a command as root, with the devices of this machine. The mounts end with the command.
within() {
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --mount-proc="$1/proc" bash -c '
        mkdir -p "$0/dev" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/tmp" &&
        exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"' "$@"
}

# copy_checkout TREE: give alice the tracked files of this checkout, as they are now
copy_checkout() {
    local to=$1/home/alice/spo-trace
    rm -rf --one-file-system "$to"
    mkdir "$to"
    git -C "$checkout" ls-files -z | tar -c -C "$checkout" --null -T - | tar -x -C "$to"
    within "$1" chown -R alice: /home/alice
}

# fetch VERSION DIRECTORY REQUIREMENT…: download wheels for a version of Python on $MACHINE. This is done outside of the tree, so
# that pip's configuration, which may contain a password, does not get into it.
MACHINE=x86_64
fetch() {
    local tag platforms=()
    for tag in 2_28 2_27 2_24 2_17 2_12 2_5; do platforms+=(--platform "manylinux_${tag}_$MACHINE"); done
    "$PYTHON" -m pip download -qq --disable-pip-version-check --only-binary=:all: "${platforms[@]}" \
        --python-version "$1" --dest "$2" "${@:3}"
}

# needed VERSION KEY…: the requirements in pyproject.toml for a version of Python: dependencies, build, or an extra.
# pip download would apply the markers to its own Python.
needed() {
    "$PYTHON" -c 'import sys, tomllib
from pip._vendor.packaging.requirements import Requirement
path, version, *keys = sys.argv[1:]
with open(path, "rb") as file:
    text = tomllib.load(file)
project = text["project"]
lists = {**project["optional-dependencies"], "dependencies": project["dependencies"], "build": text["build-system"]["requires"]}
for requirement in (Requirement(line) for key in keys for line in lists[key]):
    if requirement.name != project["name"] and (not requirement.marker or requirement.marker.evaluate({"python_version": version})):
        requirement.marker = None
        print(requirement)' "$checkout/pyproject.toml" "$@"
}
