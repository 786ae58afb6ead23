# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is compiled: C where Python is too slow, called through ctypes; everything works without it, only slower."""
