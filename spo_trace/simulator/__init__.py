# SPDX-License-Identifier: LGPL-2.1-or-later
"""A simulated machine: it runs a scenario and prints what the kernel would print, without root or a kernel."""

from spo_trace.simulator.files import Stage
from spo_trace.simulator.replay import run
from spo_trace.simulator.scenario import Scenario, load_scenario

__all__ = ["Scenario", "Stage", "load_scenario", "run"]
