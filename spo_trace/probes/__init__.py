# SPDX-License-Identifier: LGPL-2.1-or-later
"""Swap ownership without a kernel patch: BPF programs on the swap hooks keep the map that the RFC's kernel keeps.

`loader` runs under a Python that has bcc, compiles and attaches, hands the open BPF maps over and ends; it imports
nothing but the standard library, bcc, and those of its neighbours that do the same: `btf`, `counters`, `hooks`,
`kernel_symbols`, `layout`, `layout_checks`, `bpf_maps`.
"""
