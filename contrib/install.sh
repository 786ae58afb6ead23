#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# install.sh install|uninstall: install spo-trace for all users of this machine, or remove it. Called by the Makefile.
#
# The link PREFIX/bin/spo-trace (default: /usr/local) points into a virtual environment: /opt/spo-trace, or
# PREFIX/lib/spo-trace if PREFIX is set. So do the man pages and the completions of shells in PREFIX/share. PYTHON is the
# interpreter; PIP_ARGS are additional arguments for pip.
set -eu

checkout=$(dirname "$(dirname "$(readlink -f "$0")")")
prefix=${PREFIX:-/usr/local}
prefix=${prefix%/}
case $prefix in
    /usr/local) home=/opt/spo-trace ;;
    *) home=$prefix/lib/spo-trace ;;
esac
link=$prefix/bin/spo-trace
man=share/man/man1
bash=share/bash-completion/completions
zsh=share/zsh/site-functions
fish=share/fish/vendor_completions.d
# Only a directory with this file is replaced or removed. It lists the directories that were created for the installation.
marker=$home/.made-by-install.sh

say() {
    printf '%s\n' "$*"
}

warn() {
    printf 'spo-trace: %s\n' "$1" >&2
}

fail() {
    printf 'spo-trace: error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

exists() {
    [ -e "$1" ] || [ -L "$1" ]
}

link_is_ours() {
    [ -L "$link" ] && [ "$(readlink "$link")" = "$home/bin/spo-trace" ]
}

home_is_ours() {
    [ -f "$marker" ] && ! [ -L "$home" ]
}

check_prefix() {
    case $prefix/ in
        [!/]* | */../*) fail "PREFIX is $prefix" "give an absolute path without '..': make install PREFIX=\$HOME/.local" ;;
    esac
}

check_home() {
    if exists "$home" && ! home_is_ours; then
        fail "$home was not created by make install" "move it away, or choose another directory: make install PREFIX=DIRECTORY"
    fi
}

check_link() {
    if exists "$link" && ! link_is_ours; then
        fail "$link was not created by make install" "move it away, or choose another directory: make install PREFIX=DIRECTORY"
    fi
}

check_writable() {
    above=$1
    while ! [ -d "$above" ]; do above=$(dirname "$above"); done
    [ -w "$above" ] || fail "no permission to write to $above" \
        "use sudo, or a directory of your own: make install PREFIX=\$HOME/.local"
}

make_directory() {
    [ -d "$1" ] && return
    make_directory "$(dirname "$1")"
    mkdir "$1"
    made="$1
$made"
}

# Build in a copy, so that a build by root leaves nothing in a user's checkout.
copy_source() {
    mkdir "$scratch/source" "$scratch/source/fixtures"
    for name in .gitignore LICENSE README.md bpf hatch_build.py pyproject.toml spo_trace fixtures/scenarios; do
        cp -R "$checkout/$name" "$scratch/source/$name"
    done
}

# An environment contains its own path in many files, so the new one is created in place. The old one is kept until the
# new one works.
set_aside() {
    if home_is_ours; then
        made=$(cat "$marker")
        aside=$(mktemp -d "$home.old-XXXXXX")
        mv "$home" "$aside/home"
    fi
}

clean_up() {
    if [ -n "$unfinished" ] && [ -z "$aside" ]; then
        rm -rf "$home"
        remove_made
    elif [ -n "$unfinished" ] && [ -d "$aside/home" ]; then
        rm -rf "$home"
        mv "$aside/home" "$home"
    fi
    [ -z "$unfinished" ] || warn "not installed; the previous state is unchanged"
    rm -rf "$scratch" ${aside:+"$aside"}
}

remove_made() {
    printf '%s\n' "$made" | while IFS= read -r directory; do
        [ -z "$directory" ] || rmdir "$directory" 2> /dev/null || true
    done
}

fill_home() {
    quiet=--quiet
    [ ! -t 1 ] || quiet=
    "${PYTHON:-python3}" -m venv "$home"
    # PIP_ARGS is split into words on purpose.
    # shellcheck disable=SC2086
    "$home/bin/python" -m pip install --disable-pip-version-check $quiet ${PIP_ARGS:-} "$scratch/source"
    fill_share
    chmod -R u=rwX,go=rX "$home"
    "$home/bin/spo-trace" --version > /dev/null
}

fill_share() {
    for directory in $man $bash $zsh $fish; do mkdir -p "$home/$directory"; done
    "$home/bin/python" -m spo_trace.cli.man_pages "$home/$man"
    "$home/bin/spo-trace" completion bash > "$home/$bash/spo-trace"
    "$home/bin/spo-trace" completion zsh > "$home/$zsh/_spo-trace"
    "$home/bin/spo-trace" completion fish > "$home/$fish/spo-trace.fish"
}

link_share() {
    unlink_share
    for directory in $man $bash $zsh $fish; do
        for file in "$home/$directory"/*spo-trace*; do
            [ -e "$file" ] || continue
            other=$prefix/$directory/$(basename "$file")
            if exists "$other"; then
                warn "$other was not created by make install and is kept"
            else
                ln -s "$file" "$other"
            fi
        done
    done
}

unlink_share() {
    for directory in $man $bash $zsh $fish; do
        for other in "$prefix/$directory"/*spo-trace*; do
            [ -L "$other" ] || continue
            case $(readlink "$other") in "$home"/*) rm "$other" ;; esac
        done
    done
}

warn_of_limits() {
    [ -n "$(find "$home/lib/" -name libspo.so)" ] ||
        warn "there was no C compiler: large texts take ten times as long; install gcc and libc6-dev, then run this again"
    [ "$(id -u)" = 0 ] || return 0
    for path in "$home" "$(readlink -f "$home/bin/python")"; do
        while [ "$path" != / ]; do
            [ -n "$(find "$path" -maxdepth 0 -perm -o=x)" ] ||
                warn "other users cannot run it: they have no access to $path (make install PYTHON=/usr/bin/python3 PREFIX=…)"
            path=$(dirname "$path")
        done
    done
}

install() {
    check_prefix
    check_home
    check_link
    check_writable "$home"
    for directory in bin $man $bash $zsh $fish; do check_writable "$prefix/$directory"; done
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "spo-trace needs Python 3.11 or newer" "name the interpreter: make install PYTHON=/usr/bin/python3.11"
    # Whatever the caller's umask is, all users can read and run the installation, and only its owner can change it.
    umask 022
    made='' aside='' unfinished=''
    scratch=$(mktemp -d)
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    copy_source
    say "Installing spo-trace and its dependencies into $home (390 MB; pip downloads 90 MB)"
    unfinished=yes
    set_aside
    make_directory "$(dirname "$home")"
    make_directory "$prefix/bin"
    for directory in $man $bash $zsh $fish; do make_directory "$prefix/$directory"; done
    mkdir "$home"
    printf '%s\n' "$made" > "$marker"
    fill_home
    link_is_ours || ln -s "$home/bin/spo-trace" "$link"
    link_share
    unfinished=''
    warn_of_limits
    say "Installed $("$home/bin/spo-trace" --version) in $home, with the link $link"
    say "Next: sudo spo-trace doctor (if sudo does not find it: sudo $link doctor)"
}

uninstall() {
    check_prefix
    check_home
    if exists "$link" && ! link_is_ours; then
        warn "$link was not created by make install and is kept"
    elif exists "$link"; then
        rm "$link"
        say "Removed $link"
    fi
    unlink_share
    if ! exists "$home"; then
        say "There is no $home"
        return
    fi
    [ -w "$home" ] || fail "no permission to remove $home" "use sudo"
    made=$(cat "$marker")
    rm -rf "$home"
    remove_made
    say "Removed $home"
}

case ${1:-} in
    install | uninstall) "$1" ;;
    *) fail "$0: unknown argument ${1:-}" "use install or uninstall" ;;
esac
