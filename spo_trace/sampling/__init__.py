# SPDX-License-Identifier: LGPL-2.1-or-later
"""Series of samples: taking, recording and reading them."""
