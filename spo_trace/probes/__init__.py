# SPDX-License-Identifier: LGPL-2.1-or-later
"""Owners of swap without a kernel patch: BPF programs on the kernel's swap functions keep a map of swap entries.

`loader` runs in another process, for bcc under the system's Python. It loads and attaches the programs, sends the open
BPF maps to this process, and exits. It imports only the standard library, bcc, itself, `probes.bpf_maps` and
`spo_trace.memory`.
"""
