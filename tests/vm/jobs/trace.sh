# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The RFC's experiment with the probes: dd's 256 MiB go to swap and come back. With ramfs in the place of a tmpfs that can't
# be swapped, which is there from 6.4 on. $ENDING: how the trace ends.
. "$VM/jobs/trace_helpers.sh"
swap_on /dev/vda
steady_reclaim
mkdir -p /run/tmpfs /run/ramfs
mount -t tmpfs -o size=1g none /run/tmpfs
mount -t ramfs none /run/ramfs
# In swap before the attach, and all the while.
worker early anon 8
each 0 0
each USR1 1
in_swap early
trace_on
dd if=/dev/zero of=/run/tmpfs/file status=none bs=1M count=256
ln -sf "$(which dd)" /run/DD
# As much as there is, and 150 MiB of dd's.
available=$(free -m | awk '/^Mem:/ { print $7 }')
/run/DD if=/dev/zero of=/run/ramfs/file status=none bs=1M count=$((available + 150))
# In memory again there is room for the snapshots; dd's pages stay in swap.
rm /run/ramfs/file
asked swapped
forget_files
cat /run/tmpfs/file > /dev/null
asked back
. "$VM/jobs/$ENDING.sh"
