# SPDX-License-Identifier: LGPL-2.1-or-later
"""Corrections for invalid conditions: `comm = "dd"`, `a && b`, `order > 1K`, `comm == dd`."""

import ast
import re
from collections.abc import Callable, Sequence

from spo_trace.analysis.keys import suggest
from spo_trace.analysis.where_types import kind_of
from spo_trace.errors import Argument, Text, UsageError
from spo_trace.reporters.format import parse_size

__all__ = ["EXAMPLE", "check_bit_operators", "not_python", "unknown_column"]

EXAMPLE = ("for example: ", Argument("where", 'comm == "dd" and order > 0'))

# Columns of results, which a condition cannot use: it selects records before they are summed.
_SUMS = {"mem", "memory", "swap", "total", "share", "rate"}

_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""")

_Rewrite = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str], str]


def _in_bytes(size: str) -> str:
    try:
        return str(parse_size(size))
    except ValueError:
        return size


# Text outside quotes that is not Python, its replacement, and the advice. They are applied cumulatively in this order
# until the result is Python. The ambiguous ones come last: = may belong to a keyword argument of a method, and a word
# without quotes may be a column.
_REWRITES: tuple[_Rewrite, ...] = (
    (re.compile("[“”„‘’‚]"), '"', "use straight quotation marks"),
    (re.compile(r"\s*(?:&&|\bAND\b)\s*"), " and ", "join conditions with and"),
    (re.compile(r"\s*(?:\|\||\bOR\b)\s*"), " or ", "join conditions with or"),
    (re.compile(r"(?:!(?!=)|\bNOT\b)\s*"), "not ", "negate with not"),
    (re.compile(r"<>"), "!=", "compare with !="),
    (re.compile(r"==="), "==", "compare with =="),
    (
        re.compile(r"\b\d+(?:\.\d+)?\s*(?:[KMGTPE]i?B?|B)\b", re.IGNORECASE),
        lambda match: _in_bytes(match[0]),
        "write sizes in bytes",
    ),
    (re.compile(r"(?<![=!<>:])=(?![=~])"), "==", "compare with =="),
    (re.compile(r"(?<=[=!]=)\s*([^\s\"'()&|,]*[^\s\"'()&|,\d][^\s\"'()&|,]*)"), r' "\1"', "put text in quotes"),
)


def not_python(expression: str, error: Exception, check: Callable[[str], object]) -> UsageError:
    """Return the error for a condition that Python cannot parse, with the correct spelling if that is clear.

    `check` raises UsageError if the corrected condition has another fault.
    """
    about = Argument("where", expression)
    if not expression.strip():
        return UsageError((Argument("where"), ": the condition is empty"), hint=EXAMPLE)
    fixed, advice = _rewritten(expression)
    if fixed is None:
        # SyntaxError's own text adds "(<unknown>, line 1)", which is of no use here.
        problem = error.msg if isinstance(error, SyntaxError) else "it is too long or nested too deeply"
        if re.search(r"[\"']", _QUOTED.sub("", expression)):
            problem = "a quotation mark is not closed"
        return UsageError((about, f" is not an expression: {problem}"), hint=EXAMPLE)
    message = (about, f": {', '.join(dict.fromkeys(advice))}")
    try:
        check(fixed)
    except UsageError as next_error:
        hint = next_error.texts[1]
        return UsageError(message, hint=hint)
    return UsageError(message, hint=("write ", Argument("where", fixed)))


def unknown_column(name: str, known: Sequence[str], tree: ast.Expression, expression: str) -> UsageError:
    """Return the error for a name that is not a column: unquoted text, a column of the result, or a typing error."""
    message: Text = (Argument("where"), f": there is no column {name!r}")
    if name.partition("_bytes")[0] in _SUMS or name.endswith("_pages"):
        return UsageError(message, hint="where selects single records before they are summed; bytes is the size of one")
    value = _compared_with(name, tree)
    if value is not None:
        fixed = re.sub(rf"(?<=[=!]=)\s*{re.escape(value)}", lambda _: f' "{value}"', expression)
        if fixed != expression:
            return UsageError(message, hint=("put text in quotes: ", Argument("where", fixed)))
    hint = suggest(name, known)
    if hint.startswith("did you mean"):
        return UsageError(message, hint=hint)
    return UsageError(message, hint=("text goes in quotes: ", Argument("where", f'comm == "{name}"'), f"; {hint}"))


def check_bit_operators(tree: ast.Expression, expression: str) -> None:
    """Raise UsageError for & and | next to a comparison without parentheses: in Python they bind more tightly."""
    for node in ast.walk(tree):
        for side in [node.left, *node.comparators] if isinstance(node, ast.Compare) else []:
            bits = isinstance(side, ast.BinOp) and isinstance(side.op, ast.BitAnd | ast.BitOr)
            if bits and not _in_parentheses(side, expression):
                problem = ": & and | bind more tightly than a comparison"
                fixed = _with_words(expression)
                if len(node.ops) == 1 and _is_number(side):  # type: ignore[attr-defined]
                    segment = ast.get_source_segment(expression, side) or ""
                    fixed = expression.replace(segment, f"({segment})", 1)
                raise UsageError((Argument("where", expression), problem), hint=("write ", Argument("where", fixed)))


def _rewritten(expression: str) -> tuple[str | None, list[str]]:
    advice: list[str] = []
    parts = _QUOTED.split(expression)
    for pattern, replacement, problem in _REWRITES:
        # Every second part is quoted text, which stays as it is.
        changed = [pattern.sub(replacement, part) if n % 2 == 0 else part for n, part in enumerate(parts)]
        if changed == parts:
            continue
        advice.append(problem)
        parts = changed
        fixed = "".join(parts).strip()
        if _parses(fixed):
            return fixed, advice
        # Later patterns must skip text that was quoted just now.
        parts = _QUOTED.split("".join(parts))
    return None, advice


def _parses(expression: str) -> bool:
    try:
        ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


# The whole side of the comparison that contains `name`: for `comm == kworker/0`, not only kworker.
def _compared_with(name: str, tree: ast.Expression) -> str | None:
    for node in ast.walk(tree):
        for side in node.comparators if isinstance(node, ast.Compare) else []:
            if any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(side)):
                return ast.unparse(side).replace(" ", "")
    return None


def _in_parentheses(node: ast.expr, expression: str) -> bool:
    lines = expression.encode().split(b"\n")
    before = b"".join([*lines[: node.lineno - 1], lines[node.lineno - 1][: node.col_offset]])
    assert node.end_lineno is not None
    after = b"".join([lines[node.end_lineno - 1][node.end_col_offset :], *lines[node.end_lineno :]])
    return before.rstrip().endswith(b"(") and after.lstrip().startswith(b")")


def _is_number(bits: ast.expr) -> bool:
    kinds = {kind_of(part.id) for part in ast.walk(bits) if isinstance(part, ast.Name)}
    text = any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in ast.walk(bits))
    return kinds <= {"number"} and not text


def _with_words(expression: str) -> str:
    parts = _QUOTED.split(expression)
    words = [re.sub(r"\s*&\s*", " and ", re.sub(r"\s*\|\s*", " or ", part)) for part in parts[::2]]
    parts[::2] = words
    return "".join(parts)
