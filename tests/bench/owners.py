# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stacks, comms and memory cgroups of an invented large machine, generated from a seed.

The inner and outer frames of a stack are those of real kernels (simulator/sites.toml). The frames
in between are composed of words, because 1,500 stacks need more functions than the sites have.
"""

from collections.abc import Iterator
from itertools import accumulate, chain, islice
from random import Random
from typing import NamedTuple

from spo_trace.simulator.printer import PAGE_FLAGS, stack_text
from spo_trace.simulator.sites import Site, builtin_sites

__all__ = ["NR_COMMS", "NR_STACKS", "Owner", "Trace", "owners", "traces", "zipf"]

NR_STACKS = 1500
NR_COMMS = 300
_NR_MEMCGS = 40

# PAGE_OWNER_STACK_DEPTH of mm/page_owner.c.
_DEPTH = 16
_INNER, _OUTER = 5, 4

_MODULES = ("nvme", "xfs", "nfsv4", "kvm", "overlay")
_BUILT_IN = ("ext4", "tcp", "blk_mq", "filemap", "bpf", "io", "sock", "dma", "fuse", "ip6")
_VERBS = (
    "alloc", "add", "insert", "read", "write", "map", "lookup", "submit", "queue", "commit", "flush", "grow", "split",
    "prepare", "handle", "receive",
)  # fmt: skip
_NOUNS = (
    "inode", "extent", "folio", "buf", "bio", "request", "skb", "page", "entry", "node", "block", "iter", "range",
    "frag", "ctx", "work",
)  # fmt: skip
_PROGRAMS = (
    "java", "postgres", "nginx", "mysqld", "redis-server", "python3", "node", "containerd", "dockerd", "kubelet",
    "etcd", "envoy", "prometheus", "qemu-system-x86", "ceph-osd", "memcached", "haproxy", "rsyslogd", "sshd",
    "systemd-journal", "(sd-pam)", "cc1plus", "rustc", "git", "fio", "tokio-rt", "Web Content", "Isolated Web Co",
    "php-fpm8.2", "beam.smp",
)  # fmt: skip


class Trace(NamedTuple):
    """One allocating call chain: its lines, and the properties of its pages."""

    stack: bytes
    gfp: bytes
    migratetype: bytes
    flags: int


class Owner(NamedTuple):
    """A thread's name, its process, and its memory cgroup."""

    comm: bytes
    pid: int
    memcg: bytes
    offline: bool


def zipf(count: int) -> list[float]:
    """Return cumulative weights for `count` items; the nth has the weight 1/n."""
    return list(accumulate(1 / rank for rank in range(1, count + 1)))


def traces(random: Random) -> list[Trace]:
    """Return NR_STACKS distinct call chains."""
    sites = list(builtin_sites().values())
    functions = list(_functions(random))
    by_frames: dict[tuple[str, ...], Site] = {}
    while len(by_frames) < NR_STACKS:
        inner, outer = random.choice(sites), random.choice(sites)
        by_frames.setdefault(_frames(random, inner, outer, functions), inner)
    return [_trace(frames, site) for frames, site in by_frames.items()]


# The head flag depends on the order of the record.
def _trace(frames: tuple[str, ...], site: Site) -> Trace:
    return Trace(stack_text(frames), site.gfp, site.migratetype.encode(), site.flags & ~PAGE_FLAGS["head"])


def _frames(random: Random, inner: Site, outer: Site, functions: list[str]) -> tuple[str, ...]:
    depth = _DEPTH if random.random() < 0.6 else random.randrange(6, _DEPTH)
    first = inner.frames[: min(_INNER, depth - 3)]
    last = outer.frames[-min(_OUTER, depth - len(first)) :]
    between = random.sample(functions, depth - len(first) - len(last))
    return (*first, *between, *last)


# In the format of %pS: name+offset/size, and the module in brackets.
def _functions(random: Random) -> Iterator[str]:
    for subsystem in (*_MODULES, *_BUILT_IN):
        for verb in _VERBS:
            size = random.randrange(0x40, 0xC00)
            name = f"{subsystem}_{verb}_{random.choice(_NOUNS)}+{random.randrange(4, size):#x}/{size:#x}"
            yield f"{name} [{subsystem}]" if subsystem in _MODULES else name


def owners(random: Random) -> list[Owner]:
    """Return NR_COMMS threads in about 40 memory cgroups, one in eight of which is offline."""
    memcgs = [(b"/", False), (b"init.scope", False), *(_memcg(random, n) for n in range(_NR_MEMCGS - 2))]
    picked = random.choices(memcgs, cum_weights=zipf(len(memcgs)), k=NR_COMMS)
    pids = random.sample(range(2, 400_000), NR_COMMS)
    return [Owner(comm, pid, *memcg) for comm, pid, memcg in zip(_comms(), pids, picked, strict=True)]


def _memcg(random: Random, number: int) -> tuple[bytes, bool]:
    if number % 4:
        return b"cri-containerd-%064x.scope" % random.getrandbits(256), number % 8 == 1
    return b"service-%d.service" % number, False


# TASK_COMM_LEN is 16 with the terminating 0.
def _comms() -> list[bytes]:
    workers = (f"kworker/{cpu}:{n}" for cpu in range(32) for n in range(3))
    numbered = (f"{program[:11]}-{n}" for n in range(NR_COMMS) for program in _PROGRAMS)
    return [name.encode() for name in islice(chain(_PROGRAMS, workers, numbered), NR_COMMS)]
