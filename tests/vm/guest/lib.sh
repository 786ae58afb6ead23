# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
# Helpers of all jobs.
D=/sys/kernel/debug

# The cover letter's own lines, including `cat`.
sum_page_owner() { awk -F '[ ,]' '/^Page allocated/ { PAGES+=2^$5 } END { print PAGES*4096/1024^2 " MiB" }'; }
sum_swap_page_owner() { awk -F '[ ,]' '/^Page allocated/ { PAGES+=1 } END { print PAGES*4096/1024^2 " MiB" }'; }
sum_comm() { awk -F '[ ,]' '/^Page allocated .* \('"$1"'\)/ { PAGES+=2^$5 } END { print PAGES*4096/1024^2 " MiB" }'; }
page_owner_mib() { cat $D/page_owner | sum_page_owner; }
swap_page_owner_mib() { cat $D/swap_page_owner | sum_swap_page_owner; }
comm_mib() { cat $D/page_owner | sum_comm "$1"; }

# figure STAGE NAME VALUE: add a line to $OUT/figures.tsv
figure() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" | tee -a "$OUT/figures.tsv"; }

# swap_on DEVICE [PRIORITY]
swap_on() { mkswap "$1" > /dev/null && swapon ${2:+-p "$2"} "$1"; }
# zram_on SIZE [PRIORITY]
zram_on() { echo "$1" > /sys/block/zram0/disksize && swap_on /dev/zram0 "$2"; }

# With the default min_free_kbytes, such a small guest runs out of memory in the swap code; the rest makes reclaim steadier.
steady_reclaim() { sysctl -q vm.min_free_kbytes=8192 vm.watermark_boost_factor=0 vm.percpu_pagelist_high_fraction=64; }

# forget_files: drop the cache of the host's files. Reclaiming it page by page over 9p takes minutes.
forget_files() { echo 1 > /proc/sys/vm/drop_caches; }

# huge_pages_on: for page faults only. khugepaged would become the owner of other processes' pages.
huge_pages_on() {
    local thp=/sys/kernel/mm/transparent_hugepage
    echo 4000000000 > $thp/khugepaged/scan_sleep_millisecs
    echo 1 > $thp/khugepaged/pages_to_scan
    echo 0 > $thp/khugepaged/max_ptes_none
    echo always > $thp/enabled
}

# capture STAGE: copy the kernel's files to $OUT/captures/STAGE; a file that can't be read leaves FILE.err.
capture() {
    local to=$OUT/captures/$1 file
    mkdir -p "$to"
    for file in /proc/{meminfo,swaps,zoneinfo,vmstat,cmdline,uptime} /proc/sys/kernel/random/boot_id; do capture_file "$file" "$to"; done
    uname -a > "$to/uname"
    getconf PAGESIZE > "$to/pagesize"
    date -u +%FT%TZ > "$to/date"
    for file in page_owner swap_page_owner page_owner_stacks/show_{stacks,handles,stacks_handles}; do capture_file $D/$file "$to"; done
    cat /proc/meminfo > "$to/meminfo-after"
    cat /proc/uptime > "$to/uptime-after"
}
capture_file() {
    local name=$2/${1##*/}
    if ! copy "$1" "$name" 2> /run/err; then
        cat /run/err > "$name.err"
        rm -f "$name"
    fi
}

# capture_and_sum STAGE: the same, and the letter's sums over the captured files, which are of the same time
capture_and_sum() {
    local stage=$1 to=$OUT/captures/$1
    capture "$stage"
    figure "$stage" 'captured page_owner' "$(poured "$to/page_owner" | sum_page_owner)"
    [ ! -e "$to/swap_page_owner" ] || figure "$stage" 'captured swap_page_owner' "$(poured "$to/swap_page_owner" | sum_swap_page_owner)"
}
# poured FILE: print FILE from a buffer. awk reads 4096 bytes at a time, which takes almost twice as long from the share, and
# cat must not run after each of these reads, but only when all of its output was read.
poured() { nice -n 19 cat "$1"; }

# copy FILE TO: a read returns one record, and writing one to the share takes as long as writing many. Not under the name
# dd, because some jobs examine the memory of dd.
copy() {
    [ -e /run/copy ] || ln -s "$(command -v dd)" /run/copy
    /run/copy if="$1" of="$2" ibs=64k obs=256k status=none
}

# dump NAME: have the host write the guest's memory to $OUT/NAME.elf and NAME.kdump
dump() {
    echo "host: dump $1"
    until [ -e "$OUT/$1.dumped" ]; do sleep 0.2; done
}

# live_snapshot STAGE: take it between two captures, whose common records it must have
live_snapshot() {
    mkdir -p "$OUT/live"
    spo-trace snapshot -o "$OUT/live/$1.spo" || exit
    capture "$1-after"
}
