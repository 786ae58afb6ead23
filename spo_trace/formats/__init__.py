# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel's text means: one module per kernel file, bytes in, Arrow record batches out."""
