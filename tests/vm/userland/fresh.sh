#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# fresh.sh SUITE…: make fresh machines of Debian releases, and install spo-trace in them as README says.
#
# The tree fresh-SUITE in the user's cache directory has the packages that README names, with clang for libbpf; sudo; and bcc.
# Its user alice has a checkout, the tracked files of this one, and runs `sudo make install` in it. pip finds the packages in
# /var/cache/wheels: there is no network. An existing tree is kept, and spo-trace installed in it again; it gets what it lacks
# of the lists below. Remove it to get newer packages.
#
# PYTHON=FILE          a Python with pip, which downloads the packages with this machine's configuration of pip
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/vm/userland/common.sh
. "$here/common.sh"
# The first five are those of README; the next two are what docs/trace.md asks for; machines have systemd.
PACKAGES=make,gcc,libc6-dev,python3-venv,clang,libbpf1,python3-bpfcc,sudo,mawk,mount,procps,systemd-sysv,xz-utils
# Lists of pyproject.toml: what the installation and the unit tests need.
WHEELS=(build dependencies metrics fleet lzo plot test)

main() {
    local suite
    (($#)) || fail "name a release: bookworm, trixie or sid"
    ((EUID == 0)) || fail "run this as root: sudo and its configuration must belong to root in the tree"
    check_tools mmdebstrap tar unshare git
    mkdir -p "$trees"
    for suite in "$@"; do
        [ -e "$trees/fresh-$suite" ] || build "$suite"
        complete "$trees/fresh-$suite"
        install "$trees/fresh-$suite"
    done
}

build() {
    local tree=$trees/.fresh-$1.new
    unpack "$1" "$PACKAGES" "$tree"
    printf '[global]\nno-index = true\nfind-links = /var/cache/wheels\n' > "$tree/etc/pip.conf"
    within "$tree" useradd --create-home --shell /bin/bash alice
    echo 'alice ALL=(ALL:ALL) NOPASSWD: ALL' > "$tree/etc/sudoers.d/alice"
    mkdir -p "$tree/usr/src/spo-trace"
    mv "$tree" "$trees/fresh-$1"
}

complete() {
    local tree=$1 packages=(${PACKAGES//,/ }) list=$1/var/cache/wheels.txt version
    if ! within "$tree" dpkg-query -W "${packages[@]}" > /dev/null 2>&1; then
        within "$tree" apt-get update -qq
        within "$tree" env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "${packages[@]}" > /dev/null
    fi
    version=$(version_of "$tree")
    needed "$version" "${WHEELS[@]}" > "$list.new"
    if ! cmp -s "$list.new" "$list"; then
        fetch "$version" "$tree/var/cache/wheels" --requirement "$list.new" pip
        mv "$list.new" "$list"
    fi
}

install() {
    local tree=$1
    copy_checkout "$tree"
    # What an earlier run has left.
    within "$tree" make --silent -C /home/alice/spo-trace uninstall
    within "$tree" runuser -u alice -- bash -c 'cd ~/spo-trace && sudo make install'
}

main "$@"
