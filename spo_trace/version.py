# SPDX-License-Identifier: LGPL-2.1-or-later
"""The version of spo-trace, and the commands that install it; the build reads this file without importing the rest."""

__all__ = ["INSTALL_FLEET", "INSTALL_LZO", "INSTALL_METRICS", "INSTALL_PLOT", "INSTALL_SPARK", "UPGRADE", "__version__"]

__version__ = "0.1.0"

# spo-trace is not published on PyPI yet: these commands are run in a checkout.
INSTALL_FLEET = "in a checkout of spo-trace: pip install '.[fleet]'"
INSTALL_LZO = "in a checkout of spo-trace: pip install '.[lzo]'"
INSTALL_METRICS = "in a checkout of spo-trace: make install PIP_ARGS=prometheus-client, or: pip install '.[metrics]'"
INSTALL_PLOT = "in a checkout of spo-trace: pip install '.[plot]'"
INSTALL_SPARK = "in a checkout of spo-trace: pip install '.[spark]'"
UPGRADE = "upgrade: git pull && pip install . in a checkout of spo-trace"
