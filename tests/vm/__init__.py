# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run jobs on real kernels, in QEMU guests that see the host's files read-only."""
