# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conditions on rows, such as `comm == "dd" and order > 0`."""

import ast
from collections.abc import Iterable
from contextlib import suppress

import pandas as pd

from spo_trace import schema
from spo_trace.analysis.computed import source_columns
from spo_trace.analysis.keys import KEYS, Absent, Kind, is_key, key_of
from spo_trace.analysis.stack_keys import stack_text
from spo_trace.analysis.where_size import check_length, check_size
from spo_trace.analysis.where_syntax import EXAMPLE, check_bit_operators, not_python, unknown_column
from spo_trace.analysis.where_types import check_kinds
from spo_trace.errors import Argument, UsageError
from spo_trace.limits import MAX_INT64
from spo_trace.reporters.names import stored_name
from spo_trace.snapshots.reader import Snapshot

__all__ = ["Condition"]


class Condition:
    r"""Select the rows of the pages or swap table that match a Python expression over their columns.

    String literals are compared with names as displayed. Backslashes are literal: `\n` matches an escaped newline.
    """

    def __init__(self, expression: str | None) -> None:
        """Raise UsageError if the expression is not a condition on columns, or compares values of different types."""
        self._given = expression
        self._names: set[str] = set()
        self._expression = expression
        if expression is None:
            return
        if not isinstance(expression, str):
            what = f" must be an expression as a string, not a {type(expression).__name__}"
            raise UsageError((Argument("where"), what), hint=EXAMPLE)
        tree = _parsed(expression)
        self._names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        for name in sorted(self._names):
            if not is_key(name):
                raise unknown_column(name, KEYS, tree, expression)
        check_bit_operators(tree, expression)
        check_kinds(tree, expression)
        self._expression = ast.unparse(tree)

    @property
    def text(self) -> str | None:
        """Return the condition as given, None if it matches every row."""
        return self._given

    @property
    def names(self) -> frozenset[str]:
        """Return the keys that the condition uses."""
        return frozenset(self._names)

    def columns(self, table: str, needed: Iterable[str]) -> list[str]:
        """Return the columns of `table` to read: those `needed` and those that the condition uses."""
        own = {key_of(name).column(table) for name in self._names}
        stack_id = {"stack_id"} if any(key_of(name).of_stack for name in self._names) else set()
        place = {"pfn", "order"} if any(key_of(name).of_place for name in self._names) else set()
        wanted = source_columns(table, {*needed, *filter(None, own), *stack_id, *place})
        return [name for name in schema.readable(table) if name in wanted]

    def keep(self, rows: pd.DataFrame, table: str, snap: Snapshot) -> pd.DataFrame:
        """Return the rows of `table` that match the condition; missing values match no comparison."""
        if self._expression is None:
            return rows
        own = {name: column for name in self._names if (column := key_of(name).column(table))}
        operands = pd.DataFrame({name: _comparable(rows[column]) for name, column in own.items()}, index=rows.index)
        for name in self._names - set(operands):
            if key_of(name).of_stack:
                values = _comparable(stack_text(snap.stacks, name)).take(rows["stack_id"].to_numpy())
                operands[name] = values.set_axis(rows.index)
            else:
                value = False if key_of(name).absent_in(table) is Absent.FALSE else pd.NA
                operands[name] = pd.Series(value, index=rows.index, dtype=_DTYPES[key_of(name).kind])
        return rows[self.holds(operands)]

    def holds(self, operands: pd.DataFrame) -> pd.Series:
        """Return for each row of `operands`, which has a column for each of `names`, whether it matches."""
        if self._expression is None:
            return pd.Series(True, index=operands.index)
        try:
            matching = operands.eval(self._expression, engine="python", local_dict={}, global_dict={})
            return pd.Series(matching, index=operands.index).astype("boolean").fillna(False).astype(bool)
        except Exception as error:  # any error that pandas raises on a user's expression
            raise UsageError((Argument("where", self._given), f": {error}"), hint=EXAMPLE) from error


# pandas would evaluate any attribute and call, including `comm.to_pickle("/etc/passwd")`.
_ALLOWED = (
    *(ast.Expression, ast.Name, ast.Load, ast.Constant, ast.List, ast.Tuple),
    *(ast.BoolOp, ast.boolop, ast.UnaryOp, ast.unaryop, ast.Compare, ast.cmpop, ast.keyword),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.BitAnd, ast.BitOr),
)
_METHODS = ("isin", "isna", "notna")
_TEXT_METHODS = ("contains", "endswith", "fullmatch", "match", "startswith")


def _parsed(expression: str) -> ast.Expression:
    check_length(expression)
    try:
        tree = ast.parse(expression, mode="eval")
        check_size(tree)
        # Python 3.13 parses deeper nesting than it can unparse.
        ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise not_python(expression, error, Condition) from error
    called = {node for call in ast.walk(tree) if isinstance(call, ast.Call) for node in _known_method(call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value is None:
            raise UsageError(
                (Argument("where", expression), ": no value equals None"), hint="NAME.isna() selects missing values"
            )
        if not isinstance(node, _ALLOWED) and node not in called:
            what = ast.unparse(node) or type(node).__name__
            raise UsageError((Argument("where", expression), f": {what!r} is not a condition on columns"), hint=EXAMPLE)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = _as_it_stands(expression, node)
    return tree


# Names are stored escaped: a newline in a name is the two characters `\n`, not the newline of Python's `\n`.
def _as_it_stands(expression: str, node: ast.Constant) -> str:
    written = ast.get_source_segment(expression, node) or ""
    with suppress(SyntaxError, ValueError):
        return stored_name(str(ast.literal_eval(f"r{written}")))
    return str(node.value)


# The nodes of the call itself if it is one of the allowed methods, such as NAME.isin(…) or NAME.str.contains(…).
def _known_method(call: ast.Call) -> list[ast.AST]:
    match call.func:
        case ast.Attribute(value=ast.Name(), attr=method) if method in _METHODS:
            return [call, call.func]
        case ast.Attribute(value=ast.Attribute(value=ast.Name(), attr="str") as text, attr=method):
            return [call, call.func, text] if method in _TEXT_METHODS else []
    return []


# Missing names must match nothing, like missing numbers. In a uint8 column, `order * 64` would overflow and `-order`
# would be positive.
def _comparable(column: pd.Series) -> pd.Series:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype("string")
    if not pd.api.types.is_integer_dtype(column) or (column > MAX_INT64).any():
        return column
    return column.astype("Int64")


_DTYPES = {Kind.TEXT: "string", Kind.YES_NO: "boolean", Kind.NUMBER: "Int64"}
