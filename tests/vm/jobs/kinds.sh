# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# One process for each kind of memory, under each NUMA policy; then a capture, with the flags of all pages before and after it.
# Its map is in vmalloc memory.
swap_on /dev/vda
zram_on 16M 100
steady_reclaim
huge_pages_on
echo 256 > /sys/kernel/tracing/buffer_size_kb
[ ! -e /proc/sys/vm/nr_hugepages ] || echo 4 > /proc/sys/vm/nr_hugepages
[ ! -e /sys/kernel/mm/ksm/run ] || echo 1 > /sys/kernel/mm/ksm/run
# Memory of a memory device is online only on demand.
shopt -s nullglob
added=()
for block in /sys/devices/system/memory/memory[0-9]*; do
    [ "$(cat "$block/state")" = online ] || echo online_movable > "$block/state"
    [ "$(cat "$block/valid_zones")" != Movable ] || added+=("$block")
done
mkdir -p /run/held
mount -t tmpfs -o size=64m none /run/held

for policy in default interleave many; do
    mkdir /run/held/$policy
    python3 "$VM/jobs/kinds.py" $policy /run/held/$policy > /run/held/$policy.log &
    until grep -q '^all held' /run/held/$policy.log; do
        [ -d /proc/$! ] || { cat /run/held/$policy.log; echo "kinds.py $policy ended"; exit 1; }
        sleep 0.5
    done
    sed "s/^/$policy /" /run/held/$policy.log
done
[ ! -e /sys/kernel/mm/ksm/run ] || until [ "$(cat /sys/kernel/mm/ksm/full_scans)" -ge 3 ]; do sleep 0.5; done
# Migration copies the owners of pages: compaction, and a memory block that goes offline. The former also moves all pages
# from per-CPU lists to the LRU lists, so that their flags show what they are.
for block in "${added[@]}"; do echo offline > "$block/state" && echo "offline: $block"; done
echo 1 > /proc/sys/vm/compact_memory

to=$OUT/captures/held
mkdir -p "$to"
cat /proc/uptime > "$to/uptime-before"
copy /proc/kpageflags "$to/kpageflags-before"
capture held
copy /proc/kpageflags "$to/kpageflags-after"
