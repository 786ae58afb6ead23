# SPDX-License-Identifier: LGPL-2.1-or-later
"""Samples one after another: how they are taken, kept and read again."""
