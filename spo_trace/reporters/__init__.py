# SPDX-License-Identifier: LGPL-2.1-or-later
"""How an answer is shown: a DataFrame in, text to an open file out."""
