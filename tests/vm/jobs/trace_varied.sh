# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Two swap devices, huge pages, fork, a hostile name, compaction, swapoff, swapping during the queries, and the RFC's
# experiment: owners according to the probes and according to the kernel.
. "$VM/jobs/trace_helpers.sh"
swap_on /dev/vda 10
zram_on 24M 100
steady_reclaim
echo always > /sys/kernel/mm/transparent_hugepage/enabled
mkdir -p /run/tmpfs /run/ramfs
mount -t tmpfs -o size=1g none /run/tmpfs
mount -t ramfs none /run/ramfs
trace_on
coproc MAP { exec python "$VM/jobs/trace_map.py"; }
# mapped FILE: the owners according to the probes
mapped() { echo "$1" >&"${MAP[1]}" && read -r <&"${MAP[0]}" || exit 1; }
# both STAGE [COMMAND…]: write the owners of the probes (by COMMAND, if given), of the kernel, and of both again to $OUT/STAGE
both() {
    local to=$OUT/$1 again
    mkdir -p "$to"
    for again in 1 2; do
        if [ $again = 1 ] && [ $# -gt 1 ]; then "${@:2}"; else mapped "$to/probes-$again"; fi
        copy $D/swap_page_owner "$to/kernel-$again"
    done
}
worker huge thp 24
worker $'x), ts 9 ns\n' anon 6
worker forker fork 6
# In a memory cgroup, so that it can be reclaimed separately.
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/tmpfs
(echo $BASHPID > /sys/fs/cgroup/tmpfs/cgroup.procs; exec dd if=/dev/urandom of=/run/tmpfs/file bs=1M count=8 status=none)
each 0 0
each USR1 1
# It does not matter how much of it can be reclaimed.
echo 8M > /sys/fs/cgroup/tmpfs/memory.reclaim || true
both swapped
each USR2 2
cat /run/tmpfs/file > /dev/null
echo 1 > /proc/sys/vm/compact_memory
# Swap out and in continuously.
python "$VM/jobs/trace_churn.py" 2 0.3 > /dev/null &
churn=$!
for round in 1 2 3; do both pressure-$round; done
both snapshot asked snapshot
kill $churn
wait $churn || true
swapoff /dev/zram0
both one
kill "${workers[@]}"
wait "${workers[@]}" || true
rm /run/tmpfs/file
# The RFC's experiment.
dd if=/dev/zero of=/run/tmpfs/file status=none bs=1M count=256
ln -sf "$(which dd)" /run/DD
available=$(free -m | awk '/^Mem:/ { print $7 }')
forget_files
/run/DD if=/dev/zero of=/run/ramfs/file status=none bs=1M count=$((available + 200))
rm /run/ramfs/file
both rfc-swapped
cat /run/tmpfs/file > /dev/null
both rfc-back
swapoff -a
both none
swap_on /dev/vda
. "$VM/jobs/trace_again.sh"
