# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether the PFNs (or swap entries) of a text ascend, as the kernel prints them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from spo_trace.formats.reasons import Reason
from spo_trace.formats.record import Record, Reject, RejectSink

__all__ = ["KeyOrder"]

Numbers = npt.NDArray[Any]


class KeyOrder:
    """Count how often the key goes back, and note where it does so first. A key that is listed again goes back too."""

    def __init__(self) -> None:
        self._last = -1
        self._number = 0
        self._first = (0, 0)

    def see(self, key: int | None, record: Record) -> None:
        """Note the key of the next record, None if it has none."""
        if key is None:
            return
        if key <= self._last:
            self._goes_back(1, record.offset, record.line)
        self._last = key

    def see_many(self, keys: Numbers, place_of: Callable[[int], tuple[int, int]]) -> None:
        """Note the keys of the next records; `place_of` returns the byte offset and the line of one of them."""
        if not len(keys):
            return
        back = np.flatnonzero(keys[1:] <= keys[:-1]) + 1
        if int(keys[0]) <= self._last:
            back = np.concatenate([[0], back])
        if len(back):
            self._goes_back(len(back), *place_of(int(back[0])))
        self._last = int(keys[-1])

    def report(self, file: str, reject: RejectSink) -> None:
        """Report at the end of the text how often the key went back."""
        if self._number:
            reject(Reject(file, *self._first, Reason.GOES_BACK, b"", lost=False, number=self._number))

    def _goes_back(self, number: int, offset: int, line: int) -> None:
        if not self._number:
            self._first = offset, line
        self._number += number
