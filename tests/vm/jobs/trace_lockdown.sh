# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A kernel that is locked a step further each time. The last trace can't see that it is: the kernel itself refuses it.
. "$VM/jobs/trace_helpers.sh"
lockdown=/sys/kernel/security/lockdown
echo integrity > $lockdown
trace_on
trace_off || true
left integrity
echo confidentiality > $lockdown
refused told spo-trace trace
umount /sys/kernel/security
refused unseen spo-trace trace
left confidentiality
