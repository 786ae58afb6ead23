# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled scanner, and the conversion of its results to Arrow record batches."""
