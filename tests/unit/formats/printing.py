# SPDX-License-Identifier: LGPL-2.1-or-later
"""Print records with the format strings of each kernel, and list the columns of such a record."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from spo_trace import schema
from spo_trace.formats.escape import escape

__all__ = ["PROFILES", "Profile", "Values", "expected_page", "expected_swap", "print_page", "print_swap"]

Values = Mapping[str, Any]

_ORDER = b"Page allocated via order %(order)d"
_MASK = _ORDER + b", mask %(gfp_mask)#x(%(gfp_flags)s)"
_PID = _MASK + b", pid %(pid)d"
_TGID = _PID + b", tgid %(tgid)d (%(comm)s)"
_TS = b", ts %(ts_nsec)d ns"
_FREE_TS = b", free_ts %(free_ts_nsec)d ns"

_PFN_LINE = b" type %(migratetype)s Block %(block)d type %(pageblock_migratetype)s Flags %(page_flags)#x(%(names)s)\n"
_DECIMAL = b"PFN %(pfn)d" + _PFN_LINE
_HEXADECIMAL = b"PFN 0x%(pfn)x" + _PFN_LINE
_LETTERS = b"PFN %(pfn)d Block %(block)d type %(type_number)d %(fallback)s Flags %(letters)s\n"


class Profile(NamedTuple):
    """Hold the format strings of one kind of kernel: first line, PFN line, stack frame."""

    first: bytes
    place: bytes
    frame: bytes = b" %(frame)s\n"
    ends: bool = True

    @property
    def told(self) -> set[str]:
        """Return the names of the values that a record of this profile prints."""
        return {name.decode() for name in re.findall(rb"%\((\w+)\)", self.first + self.place)}


PROFILES = {
    "3.19": Profile(_ORDER + b", mask 0x%(gfp_mask)x", _LETTERS, b" [<%(address)016x>] %(frame)s\n"),
    "4.6": Profile(_MASK, _DECIMAL, b" [<%(address)016x>] %(frame)s\n"),
    "4.12": Profile(_MASK, _DECIMAL),
    "5.11": Profile(_PID + _TS, _DECIMAL),
    "5.13": Profile(_PID + _TS + _FREE_TS, _DECIMAL),
    "5.18": Profile(_TGID + _TS + _FREE_TS, _DECIMAL),
    "6.6": Profile(_TGID + _TS + _FREE_TS, _HEXADECIMAL),
    "7.2": Profile(_TGID + _TS, _HEXADECIMAL),
    "mailed": Profile(_TGID + _TS, _HEXADECIMAL, b"%(frame)s\n"),
    "task_name": Profile(_PID + b", task_name [%(comm)s]" + _TS, _DECIMAL),
    "5.17-next": Profile(_PID + b" (%(comm)s)" + _TS + _FREE_TS, _DECIMAL),
    "2.6.11-mm": Profile(_ORDER, b"", b"[0x%(address)x] %(frame)s\n"),
    "gdb": Profile(
        _ORDER + b", gfp_mask: 0x%(gfp_mask)x, pid: %(pid)d, tgid: %(tgid)d (%(comm)s)" + _TS + _FREE_TS,
        b"PFN: %(pfn)d, Flags: 0x%(page_flags)x\n",
        b"   0x%(address)x <%(frame)s>:\tmov    %%rdi,%%rbx\n",
        ends=False,
    ),
}  # fmt: skip

_SWAP = b"Page allocated via pid %(pid)d, tgid %(tgid)d (%(comm)s)" + _TS + b"\nSWP entry 0x%(swp_entry)x\n"

_LETTER_NAMES = "locked error referenced uptodate dirty lru active slab writeback compound swapcache mappedtodisk"


def _fill(form: bytes, values: Values) -> bytes:
    texts = {key: value.encode() if isinstance(value, str) else value for key, value in values.items()}
    return form % {key.encode(): value for key, value in texts.items()}


def _frames(form: bytes, values: Values) -> bytes:
    return b"".join(_fill(form, {"frame": frame, "address": 0xFFFFFFFF81168000}) for frame in values["frames"])


def print_page(profile: Profile, values: Values) -> bytes:
    """Return the record that a kernel of `profile` prints for a page with these values."""
    fields = sorted(f"{name}={values[name]}" for name in ("node", "zone") if values[name] is not None)
    letters = "".join(
        c if name in values["letters"] else " " for c, name in zip("KERUDLASWCBM", _LETTER_NAMES.split(), strict=True)
    )
    drawn = {
        **values,
        "block": (values["pfn"] or 0) >> 9,
        "names": "|".join([*values["flag_names"], *fields]),
        "letters": letters,
        "fallback": "Fallback" if values["fallback"] else " " * 8,
    }
    text = (
        _fill(profile.first, drawn)
        + (b" (swapped)" if values["swapped"] else b"")
        + b"\n"
        + _fill(profile.place, drawn)
    )
    text += b"Page allocated by module %s\n" % values["module_name"].encode() if values["module_name"] else b""
    text += _frames(profile.frame, values)
    if values["last_migrate_reason"]:
        text += b"Page has been migrated, last migrate reason: %s\n" % values["last_migrate_reason"].encode()
    text += b"Slab cache page\n" if values["slab"] else b""
    if values["memcg"] is not None:
        via, offline = b"(via objcg) " * values["memcg_objcg"], b"offline " * values["memcg_offline"]
        text += b"Charged %sto %smemcg %s\n" % (via, offline, values["memcg"])
    return text + (b"\n" if profile.ends else b"")


def expected_page(profile: Profile, values: Values) -> dict[str, Any]:
    """Return the expected row of `schema.PAGES`, with `frames` instead of its stack_id."""
    told = profile.told
    row = {name: values[name] if name in told else None for name in schema.PAGES.names if name != "stack_id"}
    row |= {name: values[name] for name in ("module_name", "last_migrate_reason", "slab", "swapped", "frames")}
    row["comm"] = escape(values["comm"]) if "comm" in told else None
    if "names" in told:
        row |= {"page_flag_names": "|".join(values["flag_names"]), "node": values["node"], "zone": values["zone"]}
    if "letters" in told:
        row["page_flag_names"] = "|".join(name for name in _LETTER_NAMES.split() if name in values["letters"])
        row["pageblock_migratetype"] = str(values["type_number"])
    charged = values["memcg"] is not None
    row["memcg"] = escape(values["memcg"]) if charged else None
    row |= {name: values[name] if charged else None for name in ("memcg_offline", "memcg_objcg")}
    return row


def print_swap(values: Values) -> bytes:
    """Return the record that swap_page_owner prints for an entry with these values."""
    return _fill(_SWAP, values) + _frames(b" %(frame)s\n", values) + b"\n"


def expected_swap(values: Values) -> dict[str, Any]:
    """Return the expected row of `schema.SWAP`, with `frames` instead of its stack_id."""
    entry = values["swp_entry"]
    row = {name: values[name] for name in ("swp_entry", "pid", "tgid", "ts_nsec", "frames")}
    row |= {"swap_type": entry // 2**58, "swap_offset": entry % 2**58}
    return row | {"comm": escape(values["comm"]), "pfn": None, "origin": "debugfs"}
