# SPDX-License-Identifier: LGPL-2.1-or-later
"""Settings for all tests."""

from hypothesis import HealthCheck, settings

# The duration of an example depends on the load of the machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
