# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hooks are chosen among existing functions; the lists are from kallsyms of Debian 6.1 and 6.12 and of Linux 7.2."""

import re
import subprocess

import pytest

from spo_trace.files.bundled import bpf_program
from spo_trace.memory.problem import Problem
from spo_trace.probes.loader.hooks import FUNCTIONS, choose_hooks, past_ftrace_site

LINUX_6_1 = {"swap_writepage", "swap_readpage", "clear_shadow_from_swap_cache", "__folio_copy_owner"}
LINUX_6_12 = {
    "swap_writepage",
    "swap_read_folio",
    "clear_shadow_from_swap_cache",
    "zswap_invalidate",
    "__folio_copy_owner",
}
LINUX_6_18 = {"swap_writeout", "swap_read_folio", "__swap_cache_clear_shadow", "zswap_invalidate", "__folio_copy_owner"}
LINUX_7_2 = {
    "swap_writeout",
    "swap_read_folio",
    "zswap_invalidate",
    "__swap_cluster_free_entries",
    "__folio_copy_owner",
}


@pytest.mark.parametrize(
    ("functions", "chosen"),
    [
        (LINUX_6_1, ["swap_writepage", "swap_readpage", "clear_shadow_from_swap_cache"]),
        (LINUX_6_12, ["swap_writepage", "swap_read_folio", "clear_shadow_from_swap_cache"]),
        (LINUX_6_18, ["swap_writeout", "swap_read_folio", "__swap_cache_clear_shadow"]),
        (LINUX_7_2, ["swap_writeout", "swap_read_folio", "zswap_invalidate"]),
    ],
    ids=["6.1", "6.12", "6.18", "7.2"],
)
def test_each_kernel_has_its_hooks(functions: set[str], chosen: list[str]) -> None:
    hooks = choose_hooks(functions)
    assert [(hook.role, hook.function) for hook in hooks] == [
        *zip(("out", "in", "free"), chosen, strict=True),
        ("migrate", "__folio_copy_owner"),
    ]
    assert functions <= FUNCTIONS


def test_a_hook_is_a_line_of_c_with_a_program_of_the_source() -> None:
    sources = {hook.role: hook.source for hook in choose_hooks(LINUX_6_1)}
    assert sources == {
        "out": "HOOK(swap_writepage, out)",
        "in": "HOOK(swap_readpage, in)",
        "free": "HOOK(clear_shadow_from_swap_cache, free_range)",
        "migrate": "HOOK(__folio_copy_owner, migrate)",
    }


def test_each_program_of_the_source_has_a_hook() -> None:
    programs = set(re.findall(r"^PROGRAM\((\w+), ", bpf_program().read_text(), re.MULTILINE))
    kernels = (LINUX_6_1, LINUX_6_12, LINUX_6_18, LINUX_7_2)
    chosen = {
        hook.program
        for kernel in kernels
        for owners in (True, False)
        for hook in choose_hooks(kernel | {"try_to_unmap_one"}, owners=owners)
    }
    assert programs == chosen


def test_migration_is_followed_if_the_function_exists() -> None:
    roles = [hook.role for hook in choose_hooks(LINUX_7_2 - {"__folio_copy_owner"})]
    assert roles == ["out", "in", "free"]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (
            "swap_writeout",
            "this kernel has none of the functions that write a page to swap: swap_writeout, ",
        ),
        (
            "swap_read_folio",
            "this kernel has none of the functions that read a page from swap: swap_read_folio, ",
        ),
        ("zswap_invalidate", "this kernel has none of the functions that free a swap entry: zswap_invalidate, "),
    ],
)
def test_a_missing_hook_is_reported_with_the_functions_searched(missing: str, said: str) -> None:
    with pytest.raises(Problem) as caught:
        choose_hooks(LINUX_7_2 - {missing})
    assert caught.value.message.startswith(said)
    assert "older than 5.18, built without CONFIG_SWAP" in (caught.value.hint or "")


def test_fentry_uses_only_functions_in_btf() -> None:
    in_btf = LINUX_7_2 - {"swap_writeout"} | {"swap_writepage"}
    hooks = choose_hooks({*LINUX_7_2, "swap_writepage"}, in_btf.__contains__)
    assert hooks[0].function == "swap_writepage"


def test_without_owners_unmapping_is_hooked() -> None:
    functions = LINUX_7_2 | {"try_to_unmap_one"}
    assert [hook.role for hook in choose_hooks(functions, owners=False)] == ["out", "in", "free", "unmap"]
    assert [hook.role for hook in choose_hooks(LINUX_7_2, owners=False)] == ["out", "in", "free"]
    assert [hook.role for hook in choose_hooks(functions)] == ["out", "in", "free", "migrate"]


@pytest.mark.parametrize(
    ("code", "offset"),
    [
        ("0f1f440000 415741 56", 5),
        ("e8 11223344 4157 4156", 5),
        ("f30f1efa 0f1f440000", 9),
        ("f30f1efa e811223344", 9),
        ("660f1f00 0f1f440000", 9),
        ("0f1f40d6 e811223344", 9),
        ("4157 4156 4155 4154 55", 0),
        ("f30f1efa 4157415655", 0),
    ],
    ids=["nop", "call", "endbr and nop", "endbr and call", "sealed, 5.18", "sealed, 7.2", "none", "endbr alone"],
)
def test_a_kprobe_stays_off_the_ftrace_site(code: str, offset: int) -> None:
    assert past_ftrace_site(bytes.fromhex(code)) == offset


@pytest.mark.parametrize(
    ("macro", "program"),
    [
        # bcc up to 0.27, and since 0.28.
        ("int kfunc__ ## event(unsigned long long *ctx)", "kfunc__swap_writeout"),
        ("int kfunc__vmlinux__ ## event(unsigned long long *ctx)", "kfunc__vmlinux__swap_writeout"),
    ],
)
def test_fentry_programs_have_the_names_of_bcc(macro: str, program: str) -> None:
    # GIVEN the part of bcc.h that hooks use, and the macro of a version of bcc
    hooks = bpf_program().with_name("bcc.h").read_text().partition("#define PROGRAM")
    source = f"#define KFUNC_PROBE(event) {macro}\n#define FENTRY\n{hooks[1]}{hooks[2]}"
    lines = "PROGRAM(out, swap_out(ctx, FIRST))\nHOOK(swap_writeout, out)\n"
    # WHEN
    expanded = subprocess.run(
        ["cc", "-E", "-P", "-x", "c", "-"], input=source + lines, capture_output=True, text=True, check=True
    )
    # THEN
    body = "{ return swap_out(ctx, read_u64((u64)&ctx[0])); }"
    assert " ".join(expanded.stdout.split()) == (
        f"static __always_inline int run_out(unsigned long long *ctx) {body} "
        f"int {program}(unsigned long long *ctx) {{ return run_out(ctx); }}"
    )
