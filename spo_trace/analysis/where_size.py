# SPDX-License-Identifier: LGPL-2.1-or-later
"""Limits on the size of a condition, so that neither Python nor pandas runs out of stack."""

import ast

from spo_trace.errors import Argument, Call, UsageError
from spo_trace.limits import MAX_WHERE_CHARACTERS, MAX_WHERE_LEVELS, MAX_WHERE_OPERATORS

__all__ = ["check_length", "check_size"]

_OPERATIONS = (ast.BinOp, ast.UnaryOp, ast.Call)
_USE_IN = ("to compare with many values, use ", Argument("where", 'comm in ["dd", "cat"]'))


def check_length(expression: str) -> None:
    """Raise UsageError if a condition is too long to be parsed."""
    if len(expression) > MAX_WHERE_CHARACTERS:
        problem = f" has {len(expression):,} characters; at most {MAX_WHERE_CHARACTERS:,} are allowed"
        raise UsageError(
            (Argument("where"), problem),
            hint=("to filter by more, read the rows of ", Call("export", format="parquet")),
        )


def check_size(tree: ast.Expression) -> None:
    """Raise UsageError if a parsed condition is nested too deeply or has too many operators."""
    operators = sum(map(_operators, ast.walk(tree)))
    if operators > MAX_WHERE_OPERATORS:
        problem = f" has {operators:,} operators; at most {MAX_WHERE_OPERATORS:,} are allowed"
        raise UsageError((Argument("where"), problem), hint=_USE_IN)
    if (levels := _levels(tree)) > MAX_WHERE_LEVELS:
        problem = f" is nested {levels:,} levels deep; at most {MAX_WHERE_LEVELS:,} are allowed"
        raise UsageError((Argument("where"), problem), hint=_USE_IN)


def _operators(node: ast.AST) -> int:
    if isinstance(node, ast.BoolOp):
        return len(node.values) - 1
    if isinstance(node, ast.Compare):
        return len(node.ops)
    return int(isinstance(node, _OPERATIONS))


# Without recursion: the tree may be deeper than Python's stack.
def _levels(tree: ast.AST) -> int:
    levels, nodes = 0, [tree]
    while nodes:
        levels += 1
        nodes = [child for node in nodes for child in ast.iter_child_nodes(node)]
    return levels
