#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# build.sh [FLAVOUR…]: build kernels for the guests from Debian's linux-source package into the user's cache directory.
#
#   stock          Debian's source, with page_owner
#   spo            with the swap_page_owner patch
#   spo-debug      the same, with the kernel's own debugging checks
#   spo-full       the same as spo, with kcore, kexec, crash dumps, lockdown and more kinds of memory; needs pahole
#   no-page-owner  small, without page_owner: for the tests of doctor
#   lockdown       the same as stock, because other builds of stock may lack lockdown
#   (default: all)
#
# VERSION=7.2          the package linux-source-$VERSION; if this machine's apt lacks it, from Debian sid
# LINUX_SOURCE=FILE    an unpacked package's /usr/src/linux-source-*.tar.xz instead
# JOBS=N               default: the number of processors
set -euo pipefail

VERSION=${VERSION:-7.2}
here=$(cd "$(dirname "$0")" && pwd)
kernels=${XDG_CACHE_HOME:-$HOME/.cache}/spo-trace/kernels
name=linux-source-$VERSION
NEEDS=(gcc make flex bison bc cpio xz patch perl dpkg-deb)

main() {
    local flavours=("$@") flavour
    ((${#flavours[@]})) || flavours=(stock spo spo-debug spo-full no-page-owner lockdown)
    for flavour in "${flavours[@]}"; do fragments_of "$flavour" > /dev/null; done
    check_tools
    mkdir -p "$kernels/build"
    unpack
    for flavour in "${flavours[@]}"; do build "$flavour"; done
}

fail() { echo "error: $*" >&2; exit 1; }

check_tools() {
    local tool missing=()
    for tool in "${NEEDS[@]}"; do command -v "$tool" > /dev/null || missing+=("$tool"); done
    [ -e /usr/include/libelf.h ] || missing+=(libelf.h)
    ((!${#missing[@]})) || fail "missing: ${missing[*]}: apt-get install build-essential flex bison bc cpio xz-utils libelf-dev (dwarves too, for BTF)"
}

fragments_of() {
    local btf=
    if command -v pahole > /dev/null; then btf=btf.config; fi
    case $1 in
        stock | lockdown) echo small.config page_owner.config life.config bpf.config $btf ;;
        spo) echo small.config page_owner.config life.config bpf.config swap_page_owner.config $btf ;;
        spo-debug) echo small.config page_owner.config life.config bpf.config swap_page_owner.config debug.config ;;
        spo-full)
            [ -n "$btf" ] || fail "spo-full needs pahole: apt-get install dwarves"
            echo small.config page_owner.config life.config bpf.config swap_page_owner.config full.config $btf
            ;;
        no-page-owner) echo small.config ;;
        *) fail "no flavour $1: stock, spo, spo-debug, spo-full, no-page-owner or lockdown" ;;
    esac
}

# Private package lists, so that sid is not added to this machine's own; from the same mirror.
sid() {
    local to=$kernels/build/apt mirror
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | awk '$1 == "Debian" && !seen++ { print $2 }')
    [ -n "$mirror" ] || fail "this machine's apt has no Debian mirror with $name: set LINUX_SOURCE"
    mkdir -p "$to/lists/partial" "$to/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" > "$to/sources.list"
    "$1" -o Dir::State="$to" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$to" \
        -o Dir::Etc::SourceList="$to/sources.list" -o Dir::Etc::SourceParts=/dev/null "${@:2}"
}

download() {
    cd "$kernels/build"
    if apt-cache show "$name" > /dev/null 2>&1; then
        apt-get download "$name"
    else
        sid apt-get -qq update
        sid apt-get download "$name" || fail "neither this machine's apt nor Debian sid has $name: set LINUX_SOURCE or VERSION"
    fi
    dpkg-deb --fsys-tarfile "$name"_*.deb | tar -x --to-stdout "./usr/src/$name.tar.xz" > "$name.tar.xz.new"
    mv "$name.tar.xz.new" "$name.tar.xz"
    rm -f "$name"_*.deb
    rm -rf apt
}

# Two separate trees, because a rebuild of one must not touch the other.
unpack() {
    local build=$kernels/build archive=${LINUX_SOURCE:-$kernels/build/$name.tar.xz}
    [ -e "$build/$name/.complete" ] && return
    [ -e "$archive" ] || (download)
    echo "Unpacking $archive"
    rm -rf "${build:?}/$name" "${build:?}/$name-spo"
    mkdir "$build/$name"
    tar -xJf "$archive" -C "$build/$name" --strip-components=1
    touch "$build/$name/.complete"
}

source_of() {
    local stock=$kernels/build/$name
    if [[ $1 != spo* ]]; then echo "$stock"; return; fi
    local patch=$here/swap_page_owner-$VERSION.patch
    [ -e "$patch" ] || fail "there is no swap_page_owner patch for $VERSION"
    if ! cmp -s "$patch" "$stock-spo/.patch"; then
        rm -rf "$stock-spo"
        # Hard links suffice, because patch(1) replaces the files that it changes.
        cp -al "$stock" "$stock-spo"
        patch -s -p1 -d "$stock-spo" < "$patch" >&2
        cp "$patch" "$stock-spo/.patch"
    fi
    echo "$stock-spo"
}

build() {
    local source output=$kernels/build/$VERSION-$1 fragment fragments=()
    source=$(source_of "$1")
    for fragment in $(fragments_of "$1"); do fragments+=("$here/$fragment"); done
    mkdir -p "$output"
    echo "Building $VERSION-$1 in $output (the log: $output/log)"
    make -s -C "$source" O="$output" tinyconfig > "$output/log"
    (cd "$output" && "$source/scripts/kconfig/merge_config.sh" -m .config "${fragments[@]}") >> "$output/log"
    make -s -C "$source" O="$output" olddefconfig >> "$output/log"
    check_config "$output/.config" "${fragments[@]}"
    make -C "$source" O="$output" -j"${JOBS:-$(nproc)}" bzImage >> "$output/log" 2>&1 || { tail -20 "$output/log" >&2; fail "$VERSION-$1 does not build"; }
    cp "$output/arch/x86/boot/bzImage" "$kernels/.bzImage.new"
    mv "$kernels/.bzImage.new" "$kernels/bzImage-$VERSION-$1"
    echo "Wrote $kernels/bzImage-$VERSION-$1"
    if grep -q '^CONFIG_MODULES=y' "$output/.config"; then module "$source" "$output" "$1"; fi
}

# A module that holds pages. Its symbols are known when it is loaded: without Module.symvers, modpost can only warn.
module() {
    local source=$1 output=$2 file=spo_hold-$VERSION-$3.ko
    rm -rf "$output/spo_hold"
    cp -r "$here/module" "$output/spo_hold"
    {
        # The linker script of modules.
        make -C "$source" O="$output" modules_prepare &&
            make -C "$source" O="$output" M="$output/spo_hold" KBUILD_MODPOST_WARN=1 modules
    } >> "$output/log" 2>&1 || { tail -20 "$output/log" >&2; fail "the module spo_hold does not build"; }
    mv "$output/spo_hold/spo_hold.ko" "$kernels/$file"
    echo "Wrote $kernels/$file"
}

# olddefconfig silently drops options with missing dependencies.
check_config() {
    local lost
    lost=$(grep -h '^CONFIG_' "${@:2}" | grep -vxF -f "$1" || true)
    [ -z "$lost" ] || fail "the configuration lacks: ${lost//$'\n'/ }"
}

main "$@"
