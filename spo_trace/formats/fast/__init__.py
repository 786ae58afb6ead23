# SPDX-License-Identifier: LGPL-2.1-or-later
"""The compiled scanner and what turns its results into Arrow record batches."""
