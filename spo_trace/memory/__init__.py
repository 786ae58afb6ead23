# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a kernel's memory contains and where: symbols, types (BTF), structure layouts."""
