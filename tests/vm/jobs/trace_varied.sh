# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Two swap devices, huge pages, fork, a hostile name, compaction, swapoff, and memory that is swapped while it is asked: what the
# probes say, what the kernel says, and what the probes say again.
. "$VM/jobs/trace_helpers.sh"
swap_on /dev/vda 10
zram_on 24M 100
steady_reclaim
echo always > /sys/kernel/mm/transparent_hugepage/enabled
mkdir -p /run/tmpfs /run/workers
mount -t tmpfs -o size=256m none /run/tmpfs
trace_on
workers=()
# worker NAME KIND MIB: see trace_worker.py
worker() { python "$VM/jobs/trace_worker.py" "$@" > /dev/null & workers+=($!); }
# each SIGNAL NUMBER: signal all workers, and wait until each has done NUMBER things
each() {
    local pid
    [ "$1" = 0 ] || kill "-$1" "${workers[@]}"
    for pid in "${workers[@]}"; do
        until [ "$(cat /run/workers/$pid 2> /dev/null)" = "$2" ]; do
            [ -d /proc/$pid ] || { echo "worker $pid ended"; exit 1; }
            sleep 0.2
        done
    done
}
worker huge thp 24
worker $'x), ts 9 ns\n' anon 6
worker forker fork 6
# In a memory cgroup, so that it can be reclaimed on its own.
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/tmpfs
(echo $BASHPID > /sys/fs/cgroup/tmpfs/cgroup.procs; exec dd if=/dev/urandom of=/run/tmpfs/file bs=1M count=8 status=none)
each 0 0
each USR1 1
# How much of it can be reclaimed is no matter.
echo 8M > /sys/fs/cgroup/tmpfs/memory.reclaim || true
asked swapped bpf debugfs bpf

each USR2 2
cat /run/tmpfs/file > /dev/null
echo 1 > /proc/sys/vm/compact_memory
# Out and in, all the while.
python "$VM/jobs/swapper.py" 4 100000 > /dev/null &
swapper=$!
asked partial bpf debugfs bpf
kill $swapper
swapoff /dev/zram0
asked one bpf debugfs
swapoff -a
asked none bpf debugfs
trace_off || true
left > "$OUT/left"
