# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Live snapshots of a quiet machine, and after a process has exited; then three swap devices in use, of which the first two are swapped off.
mkdir -p "$OUT/live"
# The first run reads Python and its libraries into the page cache.
spo-trace --version
# By text, which takes long enough for the times of allocations to tell what is new.
spo-trace snapshot --method text -o "$OUT/live/quiet.spo"
# A process that has exited leaves a file in a tmpfs.
cp "$(command -v dd)" /run/leaver
/run/leaver if=/dev/zero of=/run/left bs=1M count=32
spo-trace snapshot -o "$OUT/live/left.spo"
rm /run/left /run/leaver
[ -e "$D/swap_page_owner" ] || exit 0

# The devices with a higher priority are full before the next one is used.
for device in vda vdb zram0; do
    [ $device != zram0 ] || echo 16M > /sys/block/zram0/disksize
    mkswap /dev/$device > /dev/null
done
swapon -p 30 /dev/vda && swapon -p 20 /dev/vdb && swapon -p 10 /dev/zram0
python3 -c '
import mmap, pathlib, time
area = mmap.mmap(-1, 40 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, len(area), mmap.PAGESIZE):
    area[at : at + 8] = (at + 1).to_bytes(8, "little")
area.madvise(21)  # MADV_PAGEOUT, which the module lacks
pathlib.Path("/run/paged-out").touch()
time.sleep(10000)
' > /dev/null &
until [ -e /run/paged-out ]; do sleep 0.5; done
capture 0-three
swapoff /dev/vda
capture 1-without-vda
swapoff /dev/vdb
capture 2-zram-alone
kill -KILL %1
