# SPDX-License-Identifier: LGPL-2.1-or-later

import re

import pytest

import spo_trace as spo
from tests.support import CARRIED
from tests.vm.rfc_experiment import Run, render
from tests.vm.rfc_letter import AFTER, BEFORE, STAGES


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the document of two guests with snapshots of the bundled captures."""
    runs = []
    for title, kernel, letter in (("Before", "7.2-stock", BEFORE), ("After", "7.2-spo", AFTER)):
        out = tmp_path_factory.mktemp(kernel)
        for stage in STAGES:
            spo.snapshot(out / f"{stage}.spo", from_=CARRIED / kernel / stage)
        figures = {
            ("3-back", "cat"): f"{title} by awk",
            ("0-initial", "swap_page_owner"): "cat: /sys/x: No such file or directory 0 MiB",
        }
        runs.append(Run(title, kernel, "page_owner=on", letter, figures, out))
    return render(runs, "a test")


def cells(document: str, name: str) -> list[list[str]]:
    """Return the cells of each row with this name."""
    return [line.strip("| ").split(" | ")[1:] for line in document.splitlines() if line.startswith(f"| {name} |")]


def test_each_figure_is_given_by_letter_awk_and_spo_trace(document: str) -> None:
    dd, cat = (cells(document, name)[1] for name in ("dd", "cat"))

    assert cat == ["258.309 MiB", "Before by awk", "250.64 MiB", "7.80859 MiB", "After by awk", "0.20 MiB"]
    assert dd == ["1.66016 MiB", "–", "6.18 MiB", "256.445 MiB", "–", "256.59 MiB"]


def test_swap_is_unknown_without_the_patch(document: str) -> None:
    (initial, swapped) = cells(document, "swap_page_owner")

    assert initial[1] == "No such file or directory, 0 MiB"
    assert (swapped[2], swapped[5]) == ("unknown", "253.60 MiB")


def test_the_document_has_the_balance_of_each_stage_and_the_diffs(document: str) -> None:
    (balance,) = cells(document, "After, 2-swapped: memory")

    explained = "1.97 MiB per-CPU free lists, -0.83 MiB changed during the read"
    assert balance == ["446.76 MiB", "445.66 MiB", explained, "-0.04 MiB (-0.0 %)"]
    command = 'spo-trace diff 2-swapped.spo 3-back.spo --by comm --where \'comm in ["dd", "DD", "cat"]\''
    assert document.count(f"`{command}`:") == 2


def test_the_diffs_show_the_swap_out_and_swap_in_of_dds_pages(document: str) -> None:
    before, after = document.partition("### Before")[2].split("### After")

    assert re.search(r"^dd +-250\.\d+ MiB +\? ", before, re.MULTILINE)
    assert re.search(r"^dd +-252\.25 MiB +\+253\.60 MiB ", after, re.MULTILINE)
    assert re.search(r"^dd +\+252\.\d+ MiB +-253\.\d+ MiB ", after, re.MULTILINE)
