#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The guest's first process: mounts, runs the share's job.sh, writes its exit status, powers off. first.sh replaces it.
# The root file system is the host's, read-only; only the share `out` is visible to the host.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing 2> /dev/null
mount -t securityfs none /sys/kernel/security 2> /dev/null
mount -t cgroup2 none /sys/fs/cgroup 2> /dev/null
mount -t tmpfs -o size=64m,mode=755 tmpfs /run
# /tmp shows the host's files, with a writable layer above.
mkdir -p /run/tmp/upper /run/tmp/work /run/out /run/cache
chmod 1777 /run/tmp/upper
mount -t overlay -o lowerdir=/tmp,upperdir=/run/tmp/upper,workdir=/run/tmp/work overlay /tmp 2> /dev/null ||
    mount -t tmpfs -o size=64m tmpfs /tmp
# Without a cache: a capture uses no memory of the guest, and writes cannot deadlock with reclaim.
mount -t 9p -o trans=virtio,version=9p2000.L,msize=32768,cache=none out /run/out
export XDG_CACHE_HOME=/run/cache
cd /run || exit
echo 0 > /proc/sys/kernel/printk_devkmsg 2> /dev/null

[ ! -e /run/out/first.sh ] || exec bash /run/out/first.sh

# A file, not a pipe: processes that the job leaves running may keep it open without delaying the end.
: > /run/out/job.log
bash /run/out/job.sh >> /run/out/job.log 2>&1 < /dev/null &
tail -s 0.2 -n +1 -f --pid=$! /run/out/job.log &
wait %1
status=$?
wait %2
dmesg > /run/out/dmesg
echo $status > /run/out/status
echo o > /proc/sysrq-trigger
sleep 5
# Without sysrq: the kernel panics when its first process exits, and then QEMU exits.
