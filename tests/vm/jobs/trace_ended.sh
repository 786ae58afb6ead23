# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# After trace.sh: the trace ends. Then the errors that prevent one from starting.
trace_off || true
left SIGTERM
refused user setpriv --reuid=65534 --regid=65534 --clear-groups spo-trace trace
mount -t tmpfs none /usr/lib/python3/dist-packages
refused bcc spo-trace trace --loader bcc
mount --bind /dev/null "$(readlink -f /usr/lib/x86_64-linux-gnu/libbpf.so.1)"
refused libbpf spo-trace trace --loader libbpf
refused neither spo-trace trace
umount "$(readlink -f /usr/lib/x86_64-linux-gnu/libbpf.so.1)"
umount /usr/lib/python3/dist-packages
sysctl -q kernel.kptr_restrict=2
refused symbols spo-trace trace
sysctl -q kernel.kptr_restrict=0
umount -l /sys/kernel/debug
refused debugfs spo-trace trace
mount -t debugfs debugfs /sys/kernel/debug
left refused
ls -A /run/spo-trace > "$OUT/remains"
