# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# The RFC cover letter's experiment, with busybox: see ../jobs/rfc.sh. Each stage is captured; `captures` has the reasons.
. /lib.sh

# The same settings as steady_reclaim of ../guest/lib.sh.
sysctl -q vm.min_free_kbytes=8192 vm.watermark_boost_factor=0 vm.percpu_pagelist_high_fraction=64
mkswap /dev/vda > /dev/null && swapon /dev/vda || exit
mkdir -p /run/tmpfs /run/tmpfs-noswap
mount -t tmpfs -o size=1g none /run/tmpfs
mount -t tmpfs -o size=1g,noswap none /run/tmpfs-noswap
ln -s /bin/busybox /run/DD

# stage NAME: the collector between two captures, whose common records it must have
stage() {
    capture "$1"
    collect "$1-collected"
    capture "$1-after"
}

stage 0-initial
/bin/dd if=/dev/zero of=/run/tmpfs/file bs=1M count=256 || exit
stage 1-dd256
echo 1 > /proc/sys/vm/drop_caches
(exec -a busybox /run/DD dd if=/dev/zero of=/run/tmpfs-noswap/file bs=1M count=384) || exit
stage 2-swapped
rm /run/tmpfs-noswap/file
echo 1 > /proc/sys/vm/drop_caches
/bin/cat /run/tmpfs/file > /dev/null || exit
stage 3-back
rm /run/tmpfs/file
swapoff /dev/vda || exit
wc -c < $D/swap_page_owner > "$OUT/after-swapoff"
