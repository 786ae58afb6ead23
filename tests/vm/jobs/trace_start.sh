# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What a start of the trace takes with each loader, or with $LOADER: time and memory. The first start reads all files from the host.
. "$VM/jobs/trace_helpers.sh"
zram_on 200M
for loader in ${LOADER:-libbpf bcc}; do python "$VM/jobs/trace_start.py" $loader 4 || exit 1; done
