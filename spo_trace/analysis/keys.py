# SPDX-License-Identifier: LGPL-2.1-or-later
"""The keys that memory can be attributed to, and where each stands in a snapshot."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from spo_trace.arguments import names_of
from spo_trace.errors import UsageError

__all__ = ["KEYS", "PAGE_KEYS", "STACK_KEYS", "SWAP_KEYS", "check_keys"]

# key → column of the pages or the swap table
PAGE_KEYS = {
    key: key
    for key in [
        "comm",
        "pid",
        "tgid",
        "memcg",
        "memcg_offline",
        "order",
        "migratetype",
        "node",
        "zone",
        "gfp_flags",
        "slab",
        "swapped",
        "last_migrate_reason",
        "module_name",
    ]
}
SWAP_KEYS = {"comm": "comm", "pid": "pid", "tgid": "tgid", "type": "swap_type"}

# Keys that the stack decides, for memory and swap alike.
STACK_KEYS = ("stack", "symbols", "caller", "module", "category")

KEYS = (*PAGE_KEYS, "type", *STACK_KEYS)


def check_keys(by: str | Iterable[str]) -> list[str]:
    """Return `by` as a list of keys; raise UsageError for one that does not exist or stands twice."""
    keys = names_of(by, "by")
    for key in keys:
        if key not in KEYS:
            hint = f"give a list: by={key.split(',')}" if "," in key else suggest(key, KEYS)
            raise UsageError(f"there is no key {key!r}", hint=hint)
        if keys.count(key) > 1:
            raise UsageError(f"the key {key!r} stands twice", hint="name each key once")
    return keys


def suggest(word: str, words: Sequence[str]) -> str:
    """Return a hint on which of `words` may have been meant."""
    near = get_close_matches(word, words, n=1)
    return f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(words)}"
