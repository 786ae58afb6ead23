# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compiled C for what is too slow in Python, called through ctypes; without it, everything works, but slower."""
