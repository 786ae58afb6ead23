# SPDX-License-Identifier: LGPL-2.1-or-later
"""A modelled machine: a scenario goes in, what its kernel would print comes out, without root or kernel."""

from spo_trace.simulator.files import Stage
from spo_trace.simulator.replay import run
from spo_trace.simulator.scenario import Scenario, load_scenario

__all__ = ["Scenario", "Stage", "load_scenario", "run"]
