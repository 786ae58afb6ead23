# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A kernel whose lockdown is raised step by step. The last trace can't detect it in advance: the kernel refuses it.
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
