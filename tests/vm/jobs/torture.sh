# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# All kinds of memory activity at once while the owners are read: huge pages of several sizes, fork, shmem,
# compaction, reclaim, swapon and swapoff. It ends when $OUT/live/torture.spo is complete.
# The same priority: the disk gets pages as well, and keeps them while zram is turned off.
swap_on /dev/vda 100
zram_on 48M 100
steady_reclaim
thp=/sys/kernel/mm/transparent_hugepage
echo always > $thp/enabled
for size in 16 64 256; do [ ! -e $thp/hugepages-${size}kB ] || echo always > $thp/hugepages-${size}kB/enabled; done
mkdir -p /run/huge "$OUT/live"
mount -t tmpfs -o size=64m,huge=always none /run/huge

: > "$OUT/broken"
# rounds NAME COMMAND…: repeat until the end; log the number of rounds
rounds() {
    local name=$1 number=0
    shift
    while [ ! -e /run/end ]; do "$@" && number=$((number + 1)); done
    echo "$name: $number rounds"
}
shmem() {
    dd if=/dev/urandom of=/run/huge/file bs=1M count=16 status=none && md5sum < /run/huge/file > /run/huge.md5
    # It does not matter how much of it can be reclaimed.
    echo 30M > /sys/fs/cgroup/memory.reclaim || true
    echo 1 > /proc/sys/vm/compact_memory
    md5sum --quiet -c /run/huge.md5 < /run/huge/file || { echo 'shmem: other content came back' >> "$OUT/broken"; false; }
}
swapoff_and_on() { sleep 5; swapoff /dev/zram0 && swapon -p 100 /dev/zram0; }
readers() { cat $D/swap_page_owner $D/page_owner_stacks/show_stacks 2>> "$OUT/broken" > /dev/null; }

# It starts when the snapshot is about to read, because starting Python during it takes minutes. The snapshot waits until there
# is something in swap, and then gets a larger share of the processors than each of the others.
nice -n -5 spo-trace snapshot --jobs 2 -o /run/torture.spo &
snapshot=$!
until compgen -G '/run/.spo-trace-*.tmp' > /dev/null || [ ! -d /proc/$snapshot ]; do sleep 0.3; done
kill -STOP $snapshot
jobs=()
for seed in 1 2 3; do python3 "$VM/jobs/torture.py" $seed & jobs+=($!); done
rounds shmem shmem 2> /dev/null & jobs+=($!)
rounds swapoff swapoff_and_on & jobs+=($!)
rounds readers readers & jobs+=($!)
until awk '$1 == "/dev/vda" && $4 > 1024 { found = 1 } END { exit !found }' /proc/swaps; do sleep 1; done
kill -CONT $snapshot
wait $snapshot && touch /run/end || exit
for job in "${jobs[@]}"; do wait "$job" || exit; done
cp -r /run/torture.spo "$OUT/live"

# The remaining memory, partly in swap.
echo 8M > /sys/fs/cgroup/memory.reclaim || true
capture_and_sum 0-busy
rm /run/huge/file
umount /run/huge
swapoff -a
capture_and_sum 1-swapoff
