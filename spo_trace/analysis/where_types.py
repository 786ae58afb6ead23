# SPDX-License-Identifier: LGPL-2.1-or-later
"""Type checks of a condition: a comparison of a number with text never matches, even if both look alike."""

import ast
from collections.abc import Iterator
from itertools import pairwise

from spo_trace.analysis.keys import key_of
from spo_trace.errors import Argument, UsageError

__all__ = ["check_kinds", "kind_of"]


def kind_of(column: str) -> str:
    """Return whether a key is `text`, a `number` or `yes or no`."""
    return key_of(column).kind.value


def check_kinds(tree: ast.Expression, expression: str) -> None:
    """Raise UsageError if a condition compares values of different types; all its columns must exist."""
    for node in ast.walk(tree):
        for left, right in _compared(node):
            kinds = _kind(left), _kind(right)
            if None in kinds or kinds[0] == kinds[1] or "text" not in kinds:
                continue
            column, other = (left, right) if isinstance(left, ast.Name) else (right, left)
            if isinstance(column, ast.Name):
                raise UsageError(
                    (
                        Argument("where", expression),
                        f": {column.id} is {_A[kind_of(column.id)]}, {ast.unparse(other)} is not",
                    ),
                    hint=_hint(column.id, other),
                )


_A = {"text": "text", "number": "a number", "yes or no": "yes or no"}


# Each pair of operands that is compared; for `comm in ["a", "b"]`, comm with each element.
def _compared(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        for left, right in pairwise(sides):
            for one in right.elts if isinstance(right, ast.List | ast.Tuple) else [right]:
                yield left, one
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "isin":
        for given in node.args:
            for one in given.elts if isinstance(given, ast.List | ast.Tuple) else []:
                yield node.func.value, one


# None for anything but columns, constants and arithmetic.
def _kind(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return kind_of(node.id)
    if isinstance(node, ast.Constant):
        return "text" if isinstance(node.value, str) else "yes or no" if isinstance(node.value, bool) else "number"
    return "number" if isinstance(node, ast.BinOp) else None


def _hint(column: str, other: ast.expr) -> str:
    if not isinstance(other, ast.Constant):
        return f"compare it with {_A[kind_of(column)]}"
    value = str(other.value)
    if kind_of(column) == "text":
        return f'put text in quotes: {column} == "{value}"'
    if kind_of(column) == "number" and value.isdecimal():
        return f"write numbers without quotes: {column} == {value}"
    return f"for example: {column} > 0" if kind_of(column) == "number" else f"for example: {column}, or not {column}"
