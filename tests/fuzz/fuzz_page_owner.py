# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fuzz page_owner and swap_page_owner text: the compiled scanner must agree with the reference parsers.

    python tests/fuzz/fuzz_page_owner.py --seconds 60

runs libFuzzer (atheris), or a simpler loop of seeded mutations if atheris is not installed. An input on which they
differ is saved in tests/fuzz/found; README.md describes how to add it to the tests.
"""

import argparse
import importlib
import lzma
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Self

ROOT = Path(__file__).parents[2]
FOUND = Path(__file__).with_name("found")

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

_CHUNK_SIZES = (1, 7, 64, 1000, 1 << 16)
_BLOCK_SIZES = (1, 30, 400, 1000, 1 << 22)

_WORDS = (
    b"Page allocated via order 0, mask 0x", b", pid ", b", tgid 1 (", b"), ts ", b" ns", b", free_ts ", b" (swapped)",
    b"\nPFN 0x", b" type Movable", b" Block 1", b" Flags 0x0()", b"\n a+0x1/0x2", b"\n\n", b"\r\n", b"\0",
    b"handle: 1\n",
    b"Page has been migrated, last migrate reason: x\n", b"Charged (via objcg) to offline memcg ", b"Slab cache page\n",
    b"Page allocated by module x\n", b"PID 1\n", b"Page allocated via pid 1", b"\nSWP entry 0x",
    b"9" * 19, b"f" * 16, b"node=1|zone=",
    b"\n[  612.113412] usb 1-1: x\n", b" \n", b"\t", b"\n--\n", b" (null)\n", b"\nPFN 0x5 type ",
    b"> ", b" a+0x1[ 6.1] x\n",
)  # fmt: skip


class Input(NamedTuple):
    """A text and how to read it. As bytes: one byte for chunk size, block size and jobs, then the text.

    It is read as page_owner and as swap_page_owner, both as plain text and with each chunk as one record.
    """

    chunk_size: int
    block_bytes: int
    jobs: int
    text: bytes

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Return the input that `data` encodes."""
        how = data[0] if data else 0
        chunk_size = _CHUNK_SIZES[how % len(_CHUNK_SIZES)]
        return cls(chunk_size, _BLOCK_SIZES[how // 5 % len(_BLOCK_SIZES)], 1 + how // 25 % 3, data[1:])


def compare(given: Input) -> None:
    """Raise AssertionError if the two parsers disagree."""
    from tests.unit.formats.fast.comparing import PAGES, SWAP, assert_same, in_chunks

    chunks = in_chunks(given.text, given.chunk_size)
    for text_format in (PAGES, SWAP):
        for delimited in (False, True):
            assert_same(chunks, text_format, delimited=delimited, run_bytes=given.block_bytes, jobs=given.jobs)


def seeds() -> list[bytes]:
    """Return initial texts: records of real kernels, of each variant, and hostile ones."""
    from tests.unit.formats.reading import HEADER
    from tests.unit.formats.test_cuts import ENTRIES, PAGES
    from tests.unit.formats.test_page_owner_vendors import RECORDS

    texts = [*PAGES, *ENTRIES, *(text for text, _ in RECORDS.values()), HEADER + b" a+0x1/0x2\nunknown\nhandle: 5\n\n"]
    for path in sorted((ROOT / "fixtures" / "captures").glob("*/0-*/page_owner.xz")):
        with lzma.open(path) as file:
            texts.append(file.read(3000))
    texts += [b"".join(PAGES), b"".join(ENTRIES)]
    return [bytes([number * 11 % 75]) + text for number, text in enumerate(texts)]


def mutate(choose: random.Random, inputs: Sequence[bytes], words: Sequence[bytes] = _WORDS) -> bytes:
    """Return one of the inputs with changed bytes, or with parts of another input or known words inserted."""
    data = choose.choice(inputs)
    for _ in range(choose.randint(1, 5)):
        start = choose.randint(0, len(data))
        end = min(len(data), start + choose.choice((0, 0, 1, 2, 8, 64)))
        other = choose.choice(inputs)
        at = choose.randrange(len(other))
        put = choose.choice(
            (
                b"",
                choose.randbytes(choose.randint(1, 4)),
                choose.choice(words),
                other[at : at + 100],
                data[start:end] * 2,
            )
        )
        data = data[:start] + put + data[end:]
    return data[:10_000]


def _keep(data: bytes) -> Path:
    import hashlib

    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{hashlib.blake2b(data, digest_size=6).hexdigest()}.bin"
    path.write_bytes(data)
    return path


def _try(data: bytes) -> None:
    try:
        compare(Input.of(data))
    except BaseException:
        print(f"saved as {_keep(data)}", file=sys.stderr)
        raise


def _with_atheris(seconds: int, seed: int) -> None:
    atheris = importlib.import_module("atheris")
    # Coverage of the reference parsers guides the search for new inputs.
    with atheris.instrument_imports(include=["spo_trace.formats"]):
        importlib.import_module("spo_trace.formats.parser_choice")
    with tempfile.TemporaryDirectory(prefix="spo-trace-fuzz-") as scratch:
        corpus = Path(scratch) / "corpus"
        corpus.mkdir()
        for number, text in enumerate(seeds()):
            (corpus / str(number)).write_bytes(text)
        words = Path(scratch) / "words"
        words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in _WORDS))
        options = [
            f"-max_total_time={seconds}",
            f"-dict={words}",
            "-max_len=10000",
            "-timeout=20",
            "-rss_limit_mb=4096",
        ]
        atheris.Setup([sys.argv[0], *options, f"-seed={seed}", f"-artifact_prefix={scratch}/", str(corpus)], _try)
        atheris.Fuzz()


def _without_atheris(seconds: int, seed: int) -> None:
    inputs = seeds()
    choose = random.Random(seed)
    end = time.monotonic() + seconds
    runs = 0
    while time.monotonic() < end:
        _try(mutate(choose, inputs))
        runs += 1
    print(f"{runs} inputs in {seconds} s (without atheris, seed {seed}): no difference")


def main() -> None:
    """Fuzz, or repeat saved inputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="do not use atheris")
    parser.add_argument("files", nargs="*", type=Path, help="saved inputs to repeat instead of fuzzing")
    given = parser.parse_args()
    if given.files:
        for path in given.files:
            compare(Input.of(path.read_bytes()))
    elif given.plain or find_spec("atheris") is None:
        _without_atheris(given.seconds, given.seed)
    else:
        _with_atheris(given.seconds, given.seed)


if __name__ == "__main__":
    main()
