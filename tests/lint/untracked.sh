#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# untracked.sh: fail if git does not know a source file, because a clone would lack it.
set -euo pipefail

git rev-parse --is-inside-work-tree > /dev/null 2>&1 || exit 0
files=$(git ls-files --others --exclude-standard -- '*.py' '*.[ch]' '*.sh')
[ -n "$files" ] || exit 0
echo "not in git, so that a clone lacks them: git add"
echo "$files"
exit 1
