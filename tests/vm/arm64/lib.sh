# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Helpers of the jobs in arm64 guests. busybox runs `cat` as a part of the shell, but /bin/cat as a process of that name.
D=/sys/kernel/debug

# capture STAGE: copy the kernel's files to $OUT/captures/STAGE; a file that can't be read leaves FILE.err.
capture() {
    local to=$OUT/captures/$1 file
    mkdir -p "$to"
    for file in meminfo swaps zoneinfo vmstat cmdline uptime; do cat /proc/$file > "$to/$file"; done
    uname -a > "$to/uname"
    awk '$1 == "KernelPageSize:" { print $2 * 1024; exit }' /proc/self/smaps > "$to/pagesize"
    for file in page_owner swap_page_owner page_owner_stacks/show_stacks; do capture_file $D/$file "$to/${file##*/}"; done
    cat /proc/meminfo > "$to/meminfo-after"
    cat /proc/uptime > "$to/uptime-after"
}
# gzip reads too little at once for a record. It writes the file, so that the buffers for this are not cat's memory.
capture_file() {
    /bin/cat "$1" 2> /run/err | /bin/gzip -1 > "$2.gz"
    [ -s /run/err ] || return 0
    cp /run/err "$2.err"
    rm -f "$2.gz"
}

# collect STAGE: the same by the collector
collect() { /bin/spo-collect "$OUT/captures/$1" || exit; }

# with_python: mount the tree of ../userland/arm64.sh, from the share `tree` or the third disk, and the package spo_trace
TREE=/run/tree
with_python() {
    local shared
    mkdir $TREE
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,cache=loose,ro tree $TREE 2> /dev/null ||
        mount -t ext2 -o ro /dev/vdc $TREE || exit
    for shared in /proc /sys /dev; do mount -o bind $shared $TREE$shared; done
    mount -t debugfs debugfs $TREE$D
    mount -o bind /package $TREE/usr/src/spo-trace
    for shared in /run /tmp; do mount -t tmpfs tmpfs $TREE$shared; done
}
# python_here ARGUMENT…: become Python in this tree; its /tmp is $TREE/tmp. python: run it
python_here() {
    export PYTHONPATH=/usr/src/spo-trace:/opt/spo-trace PYTHONDONTWRITEBYTECODE=1 HOME=/tmp LANG=C.UTF-8
    PATH=/usr/bin exec /bin/chroot $TREE /usr/bin/python3 "$@"
}
python() { (python_here "$@"); }
