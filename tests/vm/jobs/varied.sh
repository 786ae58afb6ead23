# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# More kinds of memory: huge pages, two swap devices, memory cgroups, hostile names, fork, swapoff.
# take STAGE (defined by the caller) is called at the end of each stage.
cgroups=/sys/fs/cgroup
workers=()

# Type 0 is the disk, type 1 zram; zram is used first.
swap_on /dev/vda 10
zram_on 24M 100
steady_reclaim
huge_pages_on
mkdir -p /run/worker /run/tmpfs /run/tmpfs-huge
mount -t tmpfs -o size=256m none /run/tmpfs
mount -t tmpfs -o size=64m,huge=always none /run/tmpfs-huge
echo +memory > $cgroups/cgroup.subtree_control
mkdir "$cgroups/live.scope" "$cgroups/a b), c" "$cgroups/gone"

# exec_in CGROUP COMMAND…: the name of the root is empty
exec_in() { [ -z "$1" ] || echo $BASHPID > "$cgroups/$1/cgroup.procs"; shift; exec "$@"; }
# worker CGROUP COMM KIND MIB
worker() {
    local comm=-
    [ "$2" = - ] || comm=$(printf "$2" | od -An -tx1 -v | tr -d ' \n')
    exec_in "$1" python3 "$VM/jobs/worker.py" "$comm" "$3" "$4" > /dev/null &
    workers+=($!)
}
# writer CGROUP COMM FILE MIB: write a tmpfs file with dd, called through a link with this name
writer() { ln -sf "$(command -v dd)" "/run/$2" && (exec_in "$1" "/run/$2" if=/dev/zero "of=$3" bs=1M count="$4" status=none); }
# all_have N: every worker has handled N signals
all_have() {
    local pid
    for pid in "${workers[@]}"; do
        until [ "$(cat /run/worker/$pid 2> /dev/null)" = "$1" ]; do
            [ -d /proc/$pid ] || { echo "worker $pid ended"; exit 1; }
            sleep 0.2
        done
    done
}

take 0-before
worker '' - anon 12
worker live.scope huge thp 24
worker '' split split 8
worker 'a b), c' 'a b (c), d)' anon 2
worker '' 'x), ts 9 ns' anon 2
worker '' 'na\303\257ve \377\376' anon 2
worker '' 'new\nline' anon 2
worker '' 'tab\tq"\\\\\033[1m' anon 1
worker '' 'ns (swapped)' anon 1
worker live.scope forker fork 4
writer gone exited /run/tmpfs/gone 8
writer live.scope writer /run/tmpfs/live 8
writer '' hugewriter /run/tmpfs-huge/huge 8
all_have 0
until rmdir $cgroups/gone; do sleep 0.5; done
take 1-allocated

kill -USR1 "${workers[@]}"
all_have 1
forget_files
# Continues in the caller. It may fail, because it does not matter how much is reclaimed.
echo 40M > $cgroups/memory.reclaim
echo 8M > $cgroups/live.scope/memory.reclaim
take 2-swapped

kill -USR2 "${workers[@]}"
all_have 2
cat /run/tmpfs/gone /run/tmpfs-huge/huge > /dev/null
echo 1 > /proc/sys/vm/compact_memory
take 3-partial

swapoff -a
take 4-swapoff
