# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run a job in a guest by hand.

python -m tests.vm 7.2-spo tests/vm/jobs/torture.sh --cmdline page_owner=on,swap --memory 640 --out torture
python -m tests.vm 6.1-stock - <<< 'uname -r; spo-trace doctor'
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.vm import guest, kernels, userland
from tests.vm.qemu import Machine


def main() -> int:
    """Run the job on the command line; exit 1 with a message if the guest or the job fails."""
    arguments = _parser().parse_args()
    job = sys.stdin.read() if arguments.job == "-" else Path(arguments.job).read_text()
    try:
        kernel = Path(arguments.kernel) if "/" in arguments.kernel else kernels.find(arguments.kernel)
        machine = Machine(
            kernel,
            arguments.cmdline,
            arguments.memory,
            arguments.processors,
            tuple(arguments.disk or [1024]),
            arguments.nodes,
            arguments.dimm,
            arguments.count_instructions,
        )
        with tempfile.TemporaryDirectory() as scratch:
            out = arguments.out or Path(scratch)
            tree = userland.find(arguments.userland) if arguments.userland else None
            limit, echo = arguments.time_limit, sys.stdout.buffer
            guest.run(machine, job, out, time_limit=limit, alone=True, userland=tree, echo=echo)
    except (guest.GuestError, kernels.KernelMissing, userland.UserlandMissing) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.vm", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kernel", help="7.2-spo, 7.2-stock, 6.12-stock …, or the path of a bzImage")
    parser.add_argument("job", help="a shell script; - is standard input")
    parser.add_argument("--cmdline", default="page_owner=on", help="what the kernel's command line gets (%(default)s)")
    parser.add_argument("--memory", type=int, default=491, metavar="MIB", help="%(default)s")
    parser.add_argument("--processors", type=int, default=1, metavar="N", help="%(default)s")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="NUMA nodes (%(default)s)")
    parser.add_argument("--dimm", type=int, default=0, metavar="MIB", help="more memory, in a memory device")
    parser.add_argument("--disk", type=int, action="append", metavar="MIB", help="vda, vdb … (one of 1024)")
    parser.add_argument(
        "--count-instructions", action="store_true", help="the guest's clock advances by 2 ns for each instruction"
    )
    parser.add_argument("--time-limit", type=float, default=guest.TIME_LIMIT, metavar="S", help="%(default)s")
    parser.add_argument("--userland", choices=userland.SUITES, help="that Debian's user space, not the host's")
    parser.add_argument("--out", type=Path, help="what is the job's $OUT (else it is thrown away)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
