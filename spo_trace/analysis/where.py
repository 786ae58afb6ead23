# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conditions on rows: `comm == "dd" and order > 0`."""

import ast
from collections.abc import Iterable
from contextlib import suppress

import pandas as pd

from spo_trace import schema
from spo_trace.analysis.keys import STACK_KEYS
from spo_trace.analysis.kinds import check_kinds, kind_of
from spo_trace.analysis.stack_keys import stack_column
from spo_trace.analysis.where_syntax import EXAMPLE, check_bit_operators, not_python, unknown_column
from spo_trace.errors import Argument, UsageError
from spo_trace.snapshots.reader import Snapshot

__all__ = ["Where"]

_INT64_MAX = (1 << 63) - 1


class Where:
    """Keep the rows of the pages or swap table for which a Python expression over their columns holds.

    Text in quotes is taken as it stands, a backslash for a backslash: as names from the kernel are shown.
    """

    def __init__(self, expression: str | None) -> None:
        """Raise UsageError for what is no condition on columns, or sets one against what it can never be."""
        self._given = expression
        self._names: set[str] = set()
        self._expression = expression
        if expression is None:
            return
        if not isinstance(expression, str):
            what = f" takes an expression as text, not a {type(expression).__name__}"
            raise UsageError((Argument("where"), what), hint=EXAMPLE)
        tree = _parsed(expression)
        self._names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        known = list(dict.fromkeys([*schema.TABLES["pages"].names, *schema.SWAP.names, *STACK_KEYS]))
        for name in sorted(self._names):
            if name not in known:
                raise unknown_column(name, known, tree, expression)
        check_bit_operators(tree, expression)
        check_kinds(tree, expression)
        self._expression = ast.unparse(tree)

    def columns(self, table: str, needed: Iterable[str]) -> list[str]:
        """Return the columns of `table` to read: those `needed` and those that the condition looks at."""
        stack_id = {"stack_id"} if self._names & set(STACK_KEYS) else set()
        return [name for name in schema.TABLES[table].names if name in {*needed, *self._names, *stack_id}]

    def keep(self, rows: pd.DataFrame, table: str, snap: Snapshot) -> pd.DataFrame:
        """Return the rows of `table` for which the condition holds; on a value that is missing it does not."""
        if self._expression is None:
            return rows
        seen = rows[[name for name in self._names if name in rows]].apply(_comparable)
        for name in self._names - set(seen):
            if name in STACK_KEYS:
                seen[name] = stack_column(snap.stacks, name).take(rows["stack_id"].to_numpy()).to_numpy()
            else:
                seen[name] = pd.Series(pd.NA, index=rows.index, dtype=_DTYPES[kind_of(name)])
        return rows[self._holds(seen, self._expression)]

    def _holds(self, seen: pd.DataFrame, expression: str) -> pd.Series:
        try:
            held = seen.eval(expression, engine="python", local_dict={}, global_dict={})
            return pd.Series(held, index=seen.index).astype("boolean").fillna(False).astype(bool)
        except Exception as error:  # whatever pandas makes of a user's expression
            raise UsageError((Argument("where", self._given), f": {error}"), hint=EXAMPLE) from error


# pandas would evaluate any attribute and call, `comm.to_pickle("/etc/passwd")` too.
_ALLOWED = (
    *(ast.Expression, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple),
    *(ast.BoolOp, ast.boolop, ast.UnaryOp, ast.unaryop, ast.Compare, ast.cmpop, ast.keyword),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.BitAnd, ast.BitOr),
)
_METHODS = ("isin", "isna", "notna")
_TEXT_METHODS = ("contains", "endswith", "fullmatch", "match", "startswith")


def _parsed(expression: str) -> ast.Expression:
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise not_python(expression, error, Where) from error
    called = {node for call in ast.walk(tree) if isinstance(call, ast.Call) for node in _known_method(call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value is None:
            raise UsageError(
                (Argument("where", expression), ": nothing equals None"), hint="NAME.isna() asks for missing values"
            )
        if not isinstance(node, _ALLOWED) and node not in called:
            what = ast.unparse(node) or type(node).__name__
            raise UsageError((Argument("where", expression), f": {what!r} is not a condition on columns"), hint=EXAMPLE)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = _as_it_stands(expression, node)
    return tree


# What Python would make of `\n` in quotes is in no name: a newline is shown, and kept, as `\n`.
def _as_it_stands(expression: str, node: ast.Constant) -> str:
    written = ast.get_source_segment(expression, node) or ""
    with suppress(SyntaxError, ValueError):
        return str(ast.literal_eval(f"r{written}"))
    return str(node.value)


# The call's own nodes if it is NAME.isin(…), NAME.str.contains(…) or the like.
def _known_method(call: ast.Call) -> list[ast.AST]:
    match call.func:
        case ast.Attribute(value=ast.Name(), attr=method) if method in _METHODS:
            return [call, call.func]
        case ast.Attribute(value=ast.Attribute(value=ast.Name(), attr="str") as text, attr=method):
            return [call, call.func, text] if method in _TEXT_METHODS else []
    return []


# Missing names are to match nothing, as missing numbers do. `order * 64` would pass 255 and start again from 0, and
# `-order` would be positive.
def _comparable(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype("string")
    if not pd.api.types.is_integer_dtype(column) or (column > _INT64_MAX).any():
        return column
    return column.astype("Int64")


_DTYPES = {"text": "string", "yes or no": "boolean", "number": "Int64"}
