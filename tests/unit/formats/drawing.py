# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hypothesis strategies: values of records, including hostile ones."""

from typing import Any

from hypothesis import strategies as st

__all__ = ["COMMS", "HOSTILE_COMMS", "PAGES", "SWAPPED", "cut_anywhere"]

# PR_SET_NAME takes any 15 bytes but NUL.
HOSTILE_COMMS = (
    b"",
    b"x), ts 1 ns\nPFN",
    b"x), ts 1 ns\nSWP",
    b"\n\nPage alloc",
    b"\nPage allocated",
    b"), ts 9 ns\n\n",
    b"(swapped)\r\n\r\n",
    b"\xff\xfe\x80 \xc3",
    b"\x1b[2J\x1b[1;31m",
    b"] ,ts 1 ns\\n\\",
    "\u2066\u202eévil".encode(),
    bytes(range(1, 16)),
)

_I64 = st.integers(0, 2**63 - 1)
_U64 = st.integers(0, 2**64 - 1)
_PID = st.integers(0, 2**22)
_SIGNED = st.integers(-1, 999_999_999)
_WORD = st.sampled_from(["GFP_KERNEL", "__GFP_COMP", "uptodate", "lru", "head", "0x400000", "x"])
_WORDS = st.lists(_WORD, max_size=4)
_REASONS = "compaction memory_failure memory_hotplug syscall_or_cpuset mempolicy_mbind numa_misplaced cma contig_range"
_LETTERS = "locked error referenced uptodate dirty lru active slab writeback compound swapcache mappedtodisk"
_TYPES = st.sampled_from(["Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate"])

COMMS = st.sampled_from(HOSTILE_COMMS) | st.binary(max_size=15).map(lambda raw: raw.replace(b"\0", b"\n"))
# A cgroup's name: any bytes but newline and slash; cgroup_name() cuts it to 79.
_MEMCGS = st.sampled_from([b"a b), c", b"/", b"", b" ", b"offline memcg x", b"\x1b]0;x\x07", b"a\r"]) | st.binary(
    max_size=79
).map(lambda raw: raw.replace(b"\0", b" ").replace(b"\n", b")"))


_SYMBOLS = ("a", "__alloc_frozen_pages_noprof", "vfs_write.isra.0", "x64_sys_call", "$d.4", "asm_exc_page_fault")
_MODULES = ("", "", " [ext4]", " [snd_hda]")
_OFFSETS = ("0x0/0x10", "0x1f/0x20", "0x3ff/0xabc")

# A frame, including unresolved ones.
_FRAME = st.tuples(st.sampled_from(_SYMBOLS), st.sampled_from(_OFFSETS), st.sampled_from(_MODULES)).map(
    lambda parts: f"{parts[0]}+{parts[1]}{parts[2]}"
) | st.just("0xffffffffc0123456")
_FRAMES = st.lists(_FRAME, max_size=5).map(tuple)
_OWNER: dict[str, st.SearchStrategy[Any]] = {
    "pid": _SIGNED,
    "tgid": _PID,
    "comm": COMMS,
    "ts_nsec": _I64,
    "frames": _FRAMES,
}
PAGES = st.fixed_dictionaries(
    _OWNER
    | {
        "order": st.integers(0, 22),
        "gfp_mask": st.integers(0, 2**32 - 1),
        "gfp_flags": _WORDS.map("|".join),
        "free_ts_nsec": _I64,
        "pfn": _I64,
        "migratetype": _TYPES,
        "pageblock_migratetype": _TYPES,
        "page_flags": _U64,
        "flag_names": _WORDS,
        "node": st.none() | st.integers(0, 1023),
        "zone": st.none() | st.integers(0, 5),
        "type_number": st.integers(0, 5),
        "fallback": st.booleans(),
        "letters": st.sets(st.sampled_from(_LETTERS.split())),
        "swapped": st.booleans(),
        "module_name": st.none() | _WORD,
        "last_migrate_reason": st.none() | st.sampled_from(_REASONS.split()),
        "slab": st.booleans(),
        "memcg": st.none() | _MEMCGS,
        "memcg_objcg": st.booleans(),
        "memcg_offline": st.booleans(),
    }
)
SWAPPED = st.fixed_dictionaries(_OWNER | {"swp_entry": _U64})


@st.composite
def cut_anywhere(draw: st.DrawFn, text: bytes) -> list[bytes]:
    """Draw chunks of `text`, including empty ones and single bytes."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=20)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
