# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A trace in another user space than the host's: a worker is swapped out, and a snapshot shows it. Events are counted, too.
. "$VM/jobs/trace_helpers.sh"
{ python --version; [ "$LOADER" = libbpf ] || /usr/bin/python3 -c 'import bcc; print("bcc", bcc.__version__)'; } > "$OUT/versions"
zram_on 64M
steady_reclaim
traced SIGTERM
spo-trace trace --ebpf > "$OUT/program.c"
[ "$LOADER" = bcc ] || exit 0
# Programs with names that this bcc does not know, as if for a future version.
sed -i 's/KFUNC_PROBE(function)/int kfunc__##function(unsigned long long *ctx)/' "$VM/../../bpf/bcc.h"
refused naming spo-trace trace --loader bcc
left refused
