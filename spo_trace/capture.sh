#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Capture the files that spo-trace reads, on a machine without Python. Run it as root, with any POSIX shell:
#
#     sh capture.sh [NAME]     write NAME.tar.gz, by default capture.tar.gz (NAME.tar without gzip)
#     sh capture.sh -          write the archive to standard output
#
# Then, on another machine and without root: spo-trace report NAME.tar.gz
#
# A file that cannot be read leaves NAME.err with the error code and the message.

export LC_ALL=C
umask 077

# For tests: another root directory, and the timeout in seconds without data for page_owner_stacks.
root=${SPO_TRACE_ROOT:-}
timeout=${SPO_TRACE_STACKS_TIMEOUT:-10}

debugfs=$root/sys/kernel/debug
gz=
if command -v gzip > /dev/null; then gz=.gz; fi
dir=
stuck=

main() {
    case ${1:-} in
    -) archive='' dir=spo-trace-capture-$$ ;;
    -*) die "usage: sh capture.sh [NAME | -]" ;;
    *) name_archive "${1:-capture}" ;;
    esac
    mkdir "$dir" || die "cannot create the directory $dir"
    trap 'rm -rf "$dir"' EXIT
    # Without the first command, mksh exits with the status of the other trap.
    trap 'trap - EXIT; rm -rf "$dir"; exit 130' HUP INT TERM

    find_debugfs
    if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then warn "not running as root: only root can read debugfs"; fi
    capture
    if [ -n "$archive" ]; then
        (set -C && : > "$archive") || die "cannot create $archive"
        gzip_output tar_directory 4> "$archive" || { rm -f "$archive"; die "the archive could not be written"; }
        case $archive in /*) ;; *) archive=$PWD/$archive ;; esac
        warn "wrote $archive; next, on another machine: spo-trace report ${archive##*/}"
    else
        gzip_output tar_directory 4>&1 || die "the archive could not be written"
    fi
    check_page_owner
}

name_archive() {
    dir=${1%.gz} dir=${dir%.tgz} dir=${dir%.tar}
    archive=$dir.tar$gz
    if [ -e "$dir" ]; then die "$dir exists already"; fi
    if [ -e "$archive" ]; then die "$archive exists already"; fi
}

# debugfs may be mounted on another directory.
find_debugfs() {
    if [ -e "$debugfs/page_owner" ]; then return; fi
    find_mount debugfs page_owner
    debugfs=${found:-$debugfs}
}

# find_mount KIND NAME: find where a file system of this kind is mounted and has the file NAME. In mountinfo, its path has
# octal escapes.
find_mount() {
    found=
    if [ ! -r "$root/proc/self/mountinfo" ]; then return; fi
    while read -r _ _ _ inner point options; do
        case "$inner $options" in
        "/ "*" - $1 "*) point=$root$(printf '%b' "$point") ;;
        *) continue ;;
        esac
        if [ -e "$point/$2" ]; then found=$point; fi
    done < "$root/proc/self/mountinfo"
}

capture() {
    save date date -u +%Y-%m-%dT%H:%M:%SZ
    save uname uname -a
    save pagesize page_size
    save cmdline cat "$root/proc/cmdline"
    save boot_id cat "$root/proc/sys/kernel/random/boot_id"
    save processes list_processes
    save cgroups list_cgroups
    save block_size_bytes cat "$root/sys/devices/system/memory/block_size_bytes"
    for name in slabinfo allocinfo pagetypeinfo buddyinfo uptime meminfo swaps zoneinfo vmstat; do
        save "$name" cat "$root/proc/$name"
    done
    for name in page_owner swap_page_owner; do
        save_compressed "$name" "$debugfs/$name"
    done
    save_compressed kpagecgroup "$root/proc/kpagecgroup"
    for name in show_stacks show_handles show_stacks_handles; do
        save_stacks "$name" "$debugfs/page_owner_stacks/$name"
    done
    for name in meminfo uptime; do
        save "$name-after" cat "$root/proc/$name"
    done
}

# For each process, lines as of /proc/PID/status, and an empty line. A process may end at any time: then it is left out, or
# has fewer lines. There may be thousands, so that only builtins of the shell read these files.
list_processes() {
    for process in "$root"/proc/[0-9]*; do
        swap=0 resident=0 stat=
        read_lines of_status "$process/status" || continue
        # Processes share swap after fork(2); SwapPss is the part of VmSwap that is the process's own. To print it, the kernel
        # walks the page tables, and holds mmap_lock meanwhile: of a process of 1 GiB for about 10 ms.
        if [ "$swap" -gt 0 ] && [ $((swap + resident)) -le 1048576 ]; then
            read_lines of_smaps "$process/smaps_rollup"
        fi
        read_lines of_stat "$process/stat"
        # starttime is the 20th field after the comm.
        # shellcheck disable=SC2086
        set -- ${stat##*)}
        if [ -n "${20:-}" ]; then printf 'StartTime:\t%s\n' "${20}"; fi
        read_lines of_cgroup "$process/cgroup"
        echo
    done
}

# read_lines FUNCTION PATH: call the function for each $line of a file; fail if it cannot be opened.
read_lines() {
    {
        while IFS= read -r line; do "$1"; done < "$2"
    } 2> /dev/null
}

of_status() {
    case $line in
    Name:*) printf 'Pid:\t%s\n%s\n' "${process##*/}" "$line" ;;
    VmRSS:*) kib_of_line && resident=$kib ;;
    VmSwap:*) printf '%s\n' "$line" && kib_of_line && swap=$kib ;;
    esac
}

of_smaps() {
    case $line in SwapPss:*) printf '%s\n' "$line" ;; esac
}

# A comm may contain newlines.
of_stat() {
    stat=$stat$line
}

of_cgroup() {
    case $line in 0::*) printf 'Cgroup:\t%s\n' "${line#0::}" ;; esac
}

kib_of_line() {
    kib=${line#*:} kib=$((${kib% kB}))
}

# A line for each cgroup: its inode, memory.swap.current (- without it) and its path.
list_cgroups() {
    find_mount cgroup2 cgroup.procs
    if [ -z "$found" ]; then
        echo "No such file or directory: no cgroup2 file system" >&2
        return 1
    fi
    find "$found" -type d -exec ls -di {} + | while read -r inode path; do
        swap=-
        if [ -r "$path/memory.swap.current" ]; then read -r swap < "$path/memory.swap.current"; fi
        path=${path#"$found"}
        printf '%s\n' "$inode $swap ${path:-/}"
    done
}

# Some busybox builds have no getconf.
page_size() {
    getconf PAGESIZE 2> /dev/null && return
    kib=$(grep KernelPageSize /proc/self/smaps | head -n 1 | tr -dc 0-9)
    [ -n "$kib" ] && echo $((kib * 1024))
}

# save NAME COMMAND...: write the output of the command to the file NAME.
save() {
    file=$dir/$1
    shift
    "$@" > "$file" 2> "$file.err" || note_error
    [ -s "$file" ] || [ ! -s "$file.err" ] || rm "$file"
    [ -s "$file.err" ] || rm "$file.err"
}

# save_compressed NAME PATH: copy a large file and compress it while it is read.
save_compressed() {
    file=$dir/$1
    gzip_output cat "$2" 4> "$file$gz" 2> "$file.err" || note_error
    if [ ! -s "$file.err" ]; then
        rm "$file.err"
    elif [ -z "$(first_line "$file$gz")" ]; then
        rm "$file$gz"
    fi
}

first_line() {
    if [ -n "$gz" ]; then gzip -dc "$1"; else cat "$1"; fi | head -n 1
}

# save_stacks NAME PATH: copy a file that blocks its reader forever on some kernels. The blocked reader cannot be killed, so
# it is not waited for, and no second one is started. It holds none of this shell's descriptors.
save_stacks() {
    file=$dir/$1
    if [ -n "$stuck" ]; then
        echo "ETIMEDOUT: an earlier reader of page_owner_stacks is stuck" > "$file.err"
        return
    fi
    # Create the file here, since the reader may start late.
    : > "$file"
    cat "$2" < /dev/null > "$file" 2> "$file.err" &
    pid=$!
    size=0 tenths=0
    while grep -q '^State:.[^Z]' "/proc/$pid/status" 2> /dev/null; do
        now=$(($(wc -c < "$file")))
        if [ "$now" != "$size" ]; then size=$now tenths=0; fi
        if [ "$tenths" -ge "$((timeout * 10))" ]; then
            kill -9 "$pid"
            stuck=yes
            rm "$file"
            echo "ETIMEDOUT: reading it returned no data for $timeout s and was abandoned" > "$file.err"
            return
        fi
        pause
    done
    wait "$pid" || note_error
    [ -s "$file" ] || [ ! -s "$file.err" ] || rm "$file"
    [ -s "$file.err" ] || rm "$file.err"
}

pause() {
    if sleep 0.1 2> /dev/null; then
        tenths=$((tenths + 1))
    else
        sleep 1
        tenths=$((tenths + 10))
    fi
}

# Put the error code before the message in $file.err.
note_error() {
    message=$(cat "$file.err")
    case $message in
    *"No space left on device"*) die "the disk is full" ;;
    *"No such file or directory"*) code=ENOENT ;;
    *"Permission denied"*) code=EACCES ;;
    *"Operation not permitted"*) code=EPERM ;;
    *"Invalid argument"*) code=EINVAL ;;
    *"Input/output error"* | *"I/O error"*) code=EIO ;;
    *"Cannot allocate memory"* | *"Out of memory"*) code=ENOMEM ;;
    *) code=UNKNOWN ;;
    esac
    echo "$code: $message" > "$file.err" || die "the disk is full"
}

# gzip_output COMMAND...: write the command's output to descriptor 4, compressed if gzip exists. Fail if either fails: a
# pipeline has the status of its last command only, so the status of the first one is passed through descriptor 3.
gzip_output() {
    if [ -z "$gz" ]; then
        "$@" >&4
        return
    fi
    [ "$({ { "$@" || echo failed >&3; } | gzip >&4 || echo failed >&3; } 3>&1)" = "" ]
}

tar_directory() (
    cd "$(dirname "$dir")" && tar cf - "$(basename "$dir")"
)

check_page_owner() {
    if [ -e "$dir/page_owner$gz" ]; then return; fi
    warn "page_owner could not be read: $(cat "$dir/page_owner.err")"
    if [ ! -e "$debugfs/page_owner" ]; then
        warn "is debugfs mounted (mount -t debugfs debugfs /sys/kernel/debug), and was the kernel booted with page_owner=on?"
    fi
    exit 1
}

warn() {
    echo "capture: $1" >&2
}

die() {
    warn "$1"
    exit 1
}

# At the end, so that a truncated script runs nothing.
main "$@"
