#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The first process after a crash: copies the crashed kernel's memory to the share `out`, and powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t tmpfs -o size=8m,mode=755 tmpfs /run
mkdir -p /run/out
mount -t 9p -o trans=virtio,version=9p2000.L,msize=32768,cache=none out /run/out
dd if=/proc/vmcore of=/run/out/vmcore.crash bs=1M status=none
echo $? > /run/out/status
echo o > /proc/sysrq-trigger
sleep 5
