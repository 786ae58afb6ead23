# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The RFC's experiment with the probes: 256 MiB of dd are swapped out and in. ramfs replaces a tmpfs with
# noswap, which exists since 6.4. $ENDING: how the trace ends.
. "$VM/jobs/trace_helpers.sh"
swap_on /dev/vda
steady_reclaim
mkdir -p /run/tmpfs /run/ramfs
mount -t tmpfs -o size=1g none /run/tmpfs
mount -t ramfs none /run/ramfs
# In swap before the attach and until the end.
worker early anon 8
each 0 0
each USR1 1
in_swap early
trace_on
figure trace 'its own memory' "$(awk '/^RssAnon/ { print $2 }' /proc/$trace/status)"
dd if=/dev/zero of=/run/tmpfs/file status=none bs=1M count=256
ln -sf "$(which dd)" /run/DD
# All free memory, and 150 MiB of dd.
available=$(free -m | awk '/^Mem:/ { print $7 }')
/run/DD if=/dev/zero of=/run/ramfs/file status=none bs=1M count=$((available + 150))
# Free memory for the snapshots; dd's pages stay in swap.
rm /run/ramfs/file
asked swapped
forget_files
cat /run/tmpfs/file > /dev/null
asked back
. "$VM/jobs/$ENDING.sh"
