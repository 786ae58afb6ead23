# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sources of the kernel's text: this machine, files saved elsewhere, or a simulated machine."""
