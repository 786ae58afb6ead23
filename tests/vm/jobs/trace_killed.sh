# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A trace is killed while a snapshot waits for its answer, another while it compiles, another while the kernel loads its
# programs. Then headers are missing.
kill -STOP $trace
spo-trace snapshot --swap bpf -o /run/none.spo > "$OUT/unanswered" 2>&1 &
snapshot=$!
# It listens and has one client.
trace_until eval '[ $(grep -c /run/spo-trace/trace.sock /proc/net/unix) = 2 ]'
kill -KILL $trace
wait $snapshot || echo "status $?" >> "$OUT/unanswered"
left 'killed, asked'
trace_start
# With libbpf, nothing is compiled, and the directory is gone soon.
if [ "$LOADER" = bcc ]; then trace_until eval 'ls /run/spo-trace | grep -q loader-'; else sleep 1; fi
trace_off KILL
left 'killed, starting'
trace_start
trace_until grep -q '\[bpf\]' /proc/kallsyms
trace_off KILL
left 'killed, loading'
# Neither those of a package nor those of the kernel may exist.
! mountpoint -q /usr/lib || umount -l /usr/lib
mount --bind /dev/null /sys/kernel/kheaders.tar.xz
[ "$LOADER" = libbpf ] || refused headers spo-trace trace --loader bcc
left 'no headers'
