# SPDX-License-Identifier: LGPL-2.1-or-later
"""The grammar of the kernel's text files, one module per file: bytes in, Arrow record batches out."""
