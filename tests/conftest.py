# SPDX-License-Identifier: LGPL-2.1-or-later
"""What holds for all tests."""

from importlib.util import find_spec

from hypothesis import HealthCheck, settings

from spo_trace.formats.compiled import use_cache

# Before anything imports numba: its own cache does not notice when a function that another one calls has changed.
if find_spec("numba"):
    use_cache()

# How long an example takes says how busy the machine is.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
