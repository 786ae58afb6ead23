# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the kernel's text comes from: this machine, files saved elsewhere, or a modelled machine."""
