# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether two snapshots are of one build, or of one release, of the kernel."""

from spo_trace.snapshots.meta import MachineFacts

__all__ = ["same_build", "same_release"]


def same_build(a: MachineFacts, b: MachineFacts) -> bool | None:
    """Return whether both are of one kernel build; None if one of them is unknown."""
    # Two builds of one release have different offsets in functions; uname -v distinguishes them.
    kernels = [(of.kernel_release, of.kernel_version) for of in (a, b)]
    return kernels[0] == kernels[1] if kernels[0][0] and kernels[1][0] else None


def same_release(a: MachineFacts, b: MachineFacts) -> bool | None:
    """Return whether both are of one kernel release (uname -r) and architecture; None if a release is unknown.

    No part of uname -r is ignored. Vendors change functions in any number of it (5.14.0-427.13.1.el9_4), and a local
    version (-debug, -lowlatency) is another configuration, in which other functions are inlined.
    """
    if not a.kernel_release or not b.kernel_release:
        return None
    # Entry code and fault handlers differ between architectures.
    return a.kernel_release == b.kernel_release and (a.arch is None or b.arch is None or a.arch == b.arch)
