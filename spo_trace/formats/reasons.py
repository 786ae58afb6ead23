# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why text was set aside, and what copying left in text that was read: a stable code for each, and its text."""

from enum import StrEnum

__all__ = ["MARKS", "Reason"]


class Reason(StrEnum):
    """Name why text was set aside; the value is the code that snapshot.json keeps."""

    # The record is lost.
    CUT_OFF = "cut_off"
    NO_FIRST_LINE = "no_first_line"
    FIRST_LINE = "first_line"
    MARKED = "marked"
    ORDER_RANGE = "order_range"
    TS_RANGE = "ts_range"
    FREE_TS_RANGE = "free_ts_range"
    ENTRY_RANGE = "entry_range"
    HANDLE_RANGE = "handle_range"
    NO_NUMBER = "no_number"
    # The record is kept without these lines.
    BEFORE_FIRST = "before_first"
    OUTSIDE = "outside"
    AFTER_END = "after_end"
    LINE = "line"
    PFN_LINE = "pfn_line"
    STACK_GAP = "stack_gap"
    # Nothing is set aside; the record says less than it could.
    FIRST_LINE_ALONE = "first_line_alone"
    NO_PFN_LINE = "no_pfn_line"
    NO_EMPTY_LINE = "no_empty_line"
    # Nothing is set aside and nothing is missing: what copying left was taken out.
    TRAILING_BLANKS = "trailing_blanks"
    TABS = "tabs"
    CR_LF = "cr_lf"
    NUMBERED = "numbered"
    INDENTED = "indented"
    QUOTED = "quoted"
    TIMESTAMPS = "timestamps"
    PRINTK_LEVELS = "printk_levels"
    PROMPT = "prompt"
    VENDOR_FIRST_LINE = "vendor_first_line"
    QUOTED_PRINTABLE = "quoted_printable"
    BYTE_ORDER_MARK = "byte_order_mark"
    UTF_16 = "utf_16"
    GREP = "grep"

    @property
    def text(self) -> str:
        """Return the reason in words."""
        return _TEXTS[self]


_TEXTS = {
    Reason.CUT_OFF: "the record is cut off: it has no empty line at its end",
    Reason.NO_FIRST_LINE: "part of a record without its first line",
    Reason.FIRST_LINE: "first line not understood",
    Reason.MARKED: "its lines have marks before them ('> ', a time or blanks), and the text does not begin so",
    Reason.ORDER_RANGE: "order is out of range",
    Reason.TS_RANGE: "ts is out of range",
    Reason.FREE_TS_RANGE: "free_ts is out of range",
    Reason.ENTRY_RANGE: "entry is out of range",
    Reason.HANDLE_RANGE: "handle is out of range",
    Reason.NO_NUMBER: "the record is cut off: it has no number and empty line at its end",
    Reason.BEFORE_FIRST: "text before the first record",
    Reason.OUTSIDE: "text outside any record",
    Reason.AFTER_END: "text after the end of a record",
    Reason.LINE: "line not understood",
    Reason.PFN_LINE: "PFN line not understood",
    Reason.STACK_GAP: "stack frame not understood: the record's stack is incomplete",
    Reason.FIRST_LINE_ALONE: "records of which only the first line is there: their PFN and stack are unknown",
    Reason.NO_PFN_LINE: "records without a PFN line: their PFN is unknown",
    Reason.NO_EMPTY_LINE: "records without the empty line that ends them: their stack may be incomplete",
    Reason.TRAILING_BLANKS: "lines with blanks at their end",
    Reason.TABS: "lines with tabs in place of blanks",
    Reason.CR_LF: "lines that end in CR LF",
    Reason.NUMBERED: "lines with the number or file name of grep or cat -n before them",
    Reason.INDENTED: "lines indented by blanks or tabs",
    Reason.QUOTED: "lines quoted with '>' or '|' before them",
    Reason.TIMESTAMPS: "lines with a time or a log's prefix before them",
    Reason.PRINTK_LEVELS: "lines with a log level such as <6> before them",
    Reason.PROMPT: "lines with a prompt before them",
    Reason.VENDOR_FIRST_LINE: "first lines in the form 'Page order N, mask …, type […], zone …' of a vendor's kernel",
    Reason.QUOTED_PRINTABLE: "lines in quoted-printable",
    Reason.BYTE_ORDER_MARK: "byte-order mark",
    Reason.UTF_16: "lines in UTF-16",
    Reason.GREP: "lines '--' that grep prints",
}

# Their records are in the tables; they are counted, and not kept in rejects.txt.
MARKS = frozenset(
    {
        Reason.FIRST_LINE_ALONE,
        Reason.NO_PFN_LINE,
        Reason.NO_EMPTY_LINE,
        Reason.TRAILING_BLANKS,
        Reason.TABS,
        Reason.CR_LF,
        Reason.NUMBERED,
        Reason.INDENTED,
        Reason.QUOTED,
        Reason.TIMESTAMPS,
        Reason.PRINTK_LEVELS,
        Reason.PROMPT,
        Reason.VENDOR_FIRST_LINE,
        Reason.QUOTED_PRINTABLE,
        Reason.BYTE_ORDER_MARK,
        Reason.UTF_16,
        Reason.GREP,
    }
)
