# SPDX-License-Identifier: LGPL-2.1-or-later
"""Why text was rejected or skipped, and what copying changed in it: a stable code and a sentence for each."""

from enum import StrEnum

__all__ = ["MARKS", "Reason", "Skipped"]


class Reason(StrEnum):
    """Name a reason; the value is the code in snapshot.json."""

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
    COUNT_RANGE = "count_range"
    COUNTS_DIFFER = "counts_differ"
    REPEATED = "repeated"
    NO_NUMBER = "no_number"
    # The record is kept, without these lines.
    BEFORE_FIRST = "before_first"
    OUTSIDE = "outside"
    AFTER_END = "after_end"
    LINE = "line"
    PFN_LINE = "pfn_line"
    STACK_GAP = "stack_gap"
    # Nothing is rejected, but the record is incomplete.
    FIRST_LINE_ALONE = "first_line_alone"
    NO_PFN_LINE = "no_pfn_line"
    NO_EMPTY_LINE = "no_empty_line"
    # The kernel prints ascending PFNs and swap entries.
    GOES_BACK = "goes_back"
    # Nothing is rejected or missing: the changes of copying were undone.
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
        """Return the reason as a sentence for users."""
        return _TEXTS[self]


_TEXTS = {
    Reason.CUT_OFF: "the record is cut off: it has no empty line at its end",
    Reason.NO_FIRST_LINE: "part of a record without its first line",
    Reason.FIRST_LINE: "first line not understood",
    Reason.MARKED: "the record's lines have prefixes ('> ', a time or blanks) that the text's first lines do not have",
    Reason.ORDER_RANGE: "order is out of range",
    Reason.TS_RANGE: "ts is out of range",
    Reason.FREE_TS_RANGE: "free_ts is out of range",
    Reason.ENTRY_RANGE: "entry is out of range",
    Reason.HANDLE_RANGE: "handle is out of range",
    Reason.COUNT_RANGE: "the count is out of range",
    Reason.COUNTS_DIFFER: "the number of pages contradicts that of allocations",
    Reason.REPEATED: "the same text is counted in an earlier block: the first one is used",
    Reason.NO_NUMBER: "the record is cut off: it does not end with a number and an empty line",
    Reason.BEFORE_FIRST: "text before the first record",
    Reason.OUTSIDE: "text outside any record",
    Reason.AFTER_END: "text after the end of a record",
    Reason.LINE: "line not understood",
    Reason.PFN_LINE: "PFN line not understood",
    Reason.STACK_GAP: "stack frame not understood: the record's stack is incomplete",
    Reason.FIRST_LINE_ALONE: "records with a first line only: PFN and stack are unknown",
    Reason.NO_PFN_LINE: "records without a PFN line: the PFN is unknown",
    Reason.NO_EMPTY_LINE: "records without an empty line at the end: the stack may be incomplete",
    Reason.GOES_BACK: "times the PFN (or swap entry) goes back",
    Reason.TRAILING_BLANKS: "lines with trailing blanks",
    Reason.TABS: "lines with tabs instead of blanks",
    Reason.CR_LF: "lines ending in CR LF",
    Reason.NUMBERED: "lines with a prefix of grep or cat -n (number or file name)",
    Reason.INDENTED: "lines indented by blanks or tabs",
    Reason.QUOTED: "lines quoted with '>' or '|'",
    Reason.TIMESTAMPS: "lines with a timestamp or log prefix",
    Reason.PRINTK_LEVELS: "lines with a log level such as <6>",
    Reason.PROMPT: "lines with a prompt",
    Reason.VENDOR_FIRST_LINE: "first lines of a vendor's kernel: 'Page order N, mask …, type […], zone …'",
    Reason.QUOTED_PRINTABLE: "lines in quoted-printable",
    Reason.BYTE_ORDER_MARK: "byte-order mark",
    Reason.UTF_16: "lines in UTF-16",
    Reason.GREP: "separator lines '--' of grep",
}


class Skipped(StrEnum):
    """Name why the kernel could not return a record; the value is the code in snapshot.json."""

    TOO_LARGE = "too_large"
    NOT_IN_DUMP = "not_in_dump"
    NOT_READABLE = "not_readable"

    @property
    def text(self) -> str:
        """Return the cause as words for users."""
        return _CAUSES[self]


_CAUSES = {
    Skipped.TOO_LARGE: "record larger than the kernel's buffer (ENOMEM)",
    Skipped.NOT_IN_DUMP: "not in the dump",
    Skipped.NOT_READABLE: "kernel memory that cannot be read",
}

# Counted only: their records are in the tables, and rejects.txt does not have them.
MARKS = frozenset(
    {
        Reason.FIRST_LINE_ALONE,
        Reason.NO_PFN_LINE,
        Reason.NO_EMPTY_LINE,
        Reason.GOES_BACK,
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
