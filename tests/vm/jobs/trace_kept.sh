# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Pages are swapped in without being recorded, because the map of these has room for one; they are changed and swapped out to the same
# entries again.
. "$VM/jobs/trace_helpers.sh"
swap_on /dev/vda
steady_reclaim
spo-trace() { exec python "$VM/jobs/trace_small.py" "$@"; }
trace_on
unset -f spo-trace
# In a memory cgroup, so that written pages are reclaimed.
echo +memory > /sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/kept
echo $$ > /sys/fs/cgroup/kept/cgroup.procs
worker kept kept 8
echo $$ > /sys/fs/cgroup/cgroup.procs
each 0 0
each USR1 1
sleep 1
echo 16M > /sys/fs/cgroup/kept/memory.reclaim || true
each USR2 2
each USR1 3
asked kept
trace_off || true
left SIGTERM
