# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public API: what `import spo_trace` offers."""
