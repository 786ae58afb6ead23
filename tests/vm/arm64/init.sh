#!/bin/busybox sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The first process of an arm64 guest: mounts, runs /job.sh, writes its exit status, powers off.
# Results go to the share `out` or, on a kernel without 9p, to the ext2 file system of the second disk.
export PATH=/bin OUT=/run/out
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t debugfs debugfs /sys/kernel/debug
mount -t tmpfs -o size=64m tmpfs /run
mkdir $OUT
mount -t 9p -o trans=virtio,version=9p2000.L,msize=32768,cache=none out $OUT 2> /dev/null ||
    mount -t ext2 -o sync /dev/vdb $OUT || poweroff -f
cd /run
sh /job.sh > $OUT/job.log 2>&1 < /dev/null
status=$?
dmesg > $OUT/dmesg
echo $status > $OUT/status
cd /
umount $OUT
poweroff -f
