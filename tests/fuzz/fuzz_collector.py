# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fuzz the collector with damaged text: C and Python must write the same capture, from which the same is read.

    python tests/fuzz/fuzz_collector.py --seconds 60

The collector in C is compiled with the address and undefined-behaviour sanitizers. A text on which the two differ is
repeated by its seed.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))


def text_of(seed: int) -> bytes:
    """Return damaged text of page_owner and swap_page_owner."""
    from tests.fuzz.fuzz_page_owner import mutate, seeds

    choose = random.Random(seed)
    return b"".join(mutate(choose, seeds())[1:] for _ in range(choose.randint(1, 20)))


def check(command: tuple[str, ...], seed: int, scratch: Path) -> None:
    """Raise AssertionError if the collectors differ, or if one fails."""
    from tests.collectors import PYTHON, collect, restored, texts_of, tree

    text = text_of(seed)
    root = tree(scratch / "root", {"page_owner": text, "swap_page_owner": text})
    made = []
    for name, program in (("c", command), ("python", PYTHON)):
        done = collect(program, root, scratch / name)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode(errors="replace")
        made.append(texts_of(scratch / name))
    assert made[0] == made[1], "the two captures differ"
    # A text that prints handles itself stays as it is.
    found = made[0] if made[0]["handles"] == b"kernel\n" else restored(scratch / "c")
    assert b"handle: " in text or found["page_owner"] == text, "page_owner differs"
    assert b"handle: " in text or found["swap_page_owner"] == text, "swap_page_owner differs"


def main() -> None:
    """Fuzz, or repeat one seed."""
    from tests.collectors import SANITIZE, compile_collector

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, help="repeat one text instead of fuzzing")
    given = parser.parse_args()
    if shutil.which("cc") is None:
        sys.exit("there is no C compiler")
    end = time.monotonic() + given.seconds
    seed, done = given.seed or 1, 0
    with tempfile.TemporaryDirectory(prefix="spo-trace-fuzz-") as directory:
        command = compile_collector(Path(directory) / "spo-collect", *SANITIZE)
        while (given.seed is None and time.monotonic() < end) or not done:
            scratch = Path(directory) / "scratch"
            scratch.mkdir()
            try:
                check(command, seed, scratch)
            except AssertionError as error:
                sys.exit(f"repeat it: fuzz_collector.py --seed {seed}: {error}")
            shutil.rmtree(scratch)
            seed, done = seed + 1, done + 1
    print(f"{done} texts in {given.seconds} s: the same captures")


if __name__ == "__main__":
    main()
