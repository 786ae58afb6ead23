# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What keeps a trace from starting, on a kernel without ZSWAP, which 7.2 needs for it.
. "$VM/jobs/trace_helpers.sh"
refused hook spo-trace trace
refused user setpriv --reuid=65534 --regid=65534 --clear-groups spo-trace trace
mount -t tmpfs none /usr/lib/python3/dist-packages
refused bcc spo-trace trace
umount /usr/lib/python3/dist-packages
sysctl -q kernel.kptr_restrict=2
refused symbols spo-trace trace
sysctl -q kernel.kptr_restrict=0
umount -l /sys/kernel/debug
refused debugfs spo-trace trace
echo confidentiality > /sys/kernel/security/lockdown
refused lockdown spo-trace trace
ls -A /run/spo-trace > "$OUT/left"
