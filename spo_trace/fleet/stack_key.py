# SPDX-License-Identifier: LGPL-2.1-or-later
"""The key by which stacks of two sets of kernels are compared."""

from collections.abc import Collection, Sequence

from spo_trace.fleet.keys import FleetKey, fleet_key

__all__ = ["comparable_keys"]


def comparable_keys(keys: Sequence[FleetKey], kernels_a: Collection[str], kernels_b: Collection[str]) -> list[FleetKey]:
    """Return the keys by which two sides can be compared: `stack` has offsets, which differ from build to build.

    `kernels_a`, `kernels_b`: the version strings of the kernels on each side. A key of a pair of releases belongs here.
    """
    if set(kernels_a) == set(kernels_b):
        return list(keys)
    return [fleet_key("symbols") if key.name == "stack" else key for key in keys]
