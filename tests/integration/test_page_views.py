# SPDX-License-Identifier: LGPL-2.1-or-later
"""The views of the HTML reports in a real browser: first view, hatching, callers, links, copies, phones, changes."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.reporters.format import format_size
from spo_trace.snapshots.reader import Snapshot
from tests import browser
from tests.integration.test_pages import SCRIPT, SWAPPED, chromium, frame, pages, select, texts, until, values, width_of

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

__all__ = ["chromium", "pages"]

pytestmark = [
    pytest.mark.skipif(browser.WHY_NOT is not None, reason=str(browser.WHY_NOT)),
    pytest.mark.xdist_group("browser"),
]

BEFORE = SWAPPED.with_name("1-dd256")
WRITING = "shmem_write_begin"


@cache
def opened(path: Path) -> Snapshot:
    """Convert each capture once."""
    return spo.open(path)


@pytest.fixture
def report(chromium: "Chrome", pages: dict[str, Path]) -> Iterator["Chrome"]:
    browser.look(chromium, pages["report"])
    yield chromium
    assert browser.console_errors(chromium) == []


def sizes_of(chromium: "Chrome", *, level: int = 1) -> dict[str, str]:
    """Return the sizes of the frames at a level of the flame graph, widest first, as their titles have them."""
    return dict(
        chromium.execute_script(
            """
            const level = (g) => Number(g.getAttribute("transform").split(",")[1].slice(0, -1)) / 20;
            const frames = [...document.querySelectorAll("#flame g")].filter((g) => level(g) === arguments[0]);
            frames.sort((a, b) => b.getAttribute("width") - a.getAttribute("width"));
            const names = frames.map((g) => g.getAttribute("name"));
            const titles = frames.map((g) => g.querySelector("title").textContent);
            return names.map((name, at) => [name, titles[at].slice(name.length + 1).split(",")[0]]);
            """,
            level,
        )
    )


def shown(table: pd.DataFrame, key: str) -> dict[str, str]:
    """Return the same of a table of the API."""
    return {name: format_size(size) for name, size in zip(table[key], table["total_bytes"], strict=True)}


def hatched(chromium: "Chrome", name: str) -> float:
    """Return the hatched part of the widest frame with this name."""
    find = "const hatch = arguments[0].querySelector('.hatch'); return hatch ? hatch.getAttribute('width') : 0"
    return float(chromium.execute_script(find, frame(chromium, name)) or 0) / width_of(chromium, name)


def toggle(chromium: "Chrome", name: str) -> None:
    chromium.find_element("id", name).click()


def link_of(chromium: "Chrome") -> str:
    return str(chromium.execute_script("return location.hash")).removeprefix("#")


def test_it_opens_on_processes_and_then_their_stacks(report: "Chrome") -> None:
    # THEN the first level is what `spo-trace report` shows, and the stacks of each begin below it
    comms = shown(spo.attribute(opened(SWAPPED), "comm"), "comm")
    first = sizes_of(report)
    assert len(first) > 3 and list(first.items()) == list(comms.items())[: len(first)]
    assert "vfs_write" in sizes_of(report, level=3)


def test_the_ends_of_stacks_are_hidden_until_asked_for(report: "Chrome") -> None:
    ends = {"get_page_from_freelist", "do_syscall_64", "entry_SYSCALL_64_after_hwframe"}
    names = "#flame g .d3-flame-graph-label"
    whole = sizes_of(report, level=0)
    assert not ends & set(texts(report, names))
    toggle(report, "plumbing")
    assert ends <= set(texts(report, names))
    assert sizes_of(report, level=0) == whole
    # AND an opened stack has all of its frames
    toggle(report, "plumbing")
    report.find_element("css selector", "#stacks td.open button").click()
    (largest, *_) = spo.attribute(opened(SWAPPED), "stack")["stack"]
    assert texts(report, "td.frames li") == list(largest)


def test_the_part_in_swap_is_hatched(report: "Chrome") -> None:
    comms = spo.attribute(opened(SWAPPED), "comm").set_index("comm")
    swapped = comms["swap_bytes"] / comms["total_bytes"]
    until(lambda: hatched(report, "all") > 0)
    assert hatched(report, "dd") == pytest.approx(swapped["dd"]) and swapped["dd"] > 0.9
    assert hatched(report, "DD") == swapped["DD"] == 0
    assert hatched(report, "all") == pytest.approx(comms["swap_bytes"].sum() / comms["total_bytes"].sum())
    # AND of memory alone nothing is, after a zoom, too
    frame(report, "dd").click()
    until(lambda: hatched(report, "dd") == pytest.approx(swapped["dd"]))
    report.find_element("css selector", "input[value=mem] + span").click()
    assert texts(report, "#flame .hatch") == []


def test_each_colour_has_one_meaning(report: "Chrome") -> None:
    colour = "return getComputedStyle(arguments[0]).backgroundColor"
    owner = report.execute_script(
        "document.body.style.color = 'var(--owner)'; return getComputedStyle(document.body).color"
    )
    # THEN owners have one colour: in the first level of the flame graph, the treemap and the ages
    fills = (
        "return [...document.querySelectorAll('#flame g')].slice(0, 4).map((g) => g.firstChild.getAttribute('fill'))"
    )
    assert set(report.execute_script(fills)) == {"var(--owner)"}
    for selector in ("#treemap .cell", "#ages b", "#ages i", "#legend .key"):
        cells = report.find_elements("css selector", selector)
        assert {report.execute_script(colour, cell) for cell in cells} == {owner}


def merged(name: str, *, way: int) -> dict[str, str]:
    """Return the sizes of the functions that call `name` (way 1), or that it calls (-1)."""
    table = spo.attribute(opened(SWAPPED), "symbols")
    table = table[[name in symbols for symbols in table["symbols"]]]
    table = table.assign(next=[symbols[symbols.index(name) + way] for symbols in table["symbols"]])
    sums = table.groupby("next")["total_bytes"].sum().sort_values(ascending=False)
    return {str(called): format_size(size) for called, size in sums.items()}


@pytest.mark.parametrize(("button", "way"), [("callers", 1), ("callees", -1)])
def test_callers_and_callees_of_a_function_are_merged(report: "Chrome", button: str, way: int) -> None:
    # GIVEN a selected function, which several processes called
    select(report, "group", "")
    assert not report.find_element("id", button).is_enabled()
    focus(report, button)
    # THEN it is above all functions that called it, or that it called, with their sums
    expected = merged(WRITING, way=way)
    assert list(sizes_of(report)) == [WRITING]
    assert sizes_of(report, level=2).items() <= expected.items()
    assert sizes_of(report, level=2).keys() >= {next(iter(expected))}
    assert texts(report, "#focus") == [f"Only {button} of {WRITING} ✕"]
    # AND the other stacks come back
    toggle(report, "focus")
    assert sizes_of(report, level=0) == {"all": format_size(spo.attribute(opened(SWAPPED), [])["total_bytes"].sum())}


def test_inverted_stacks_begin_with_the_caller(report: "Chrome") -> None:
    select(report, "group", "")
    toggle(report, "invert")
    # THEN the first level is `spo-trace report --by caller`, except for names that differ: the caller of stacks that
    # were lost in init_page_owner() is "owner lost"
    callers, first = shown(spo.attribute(opened(SWAPPED), "caller"), "caller"), sizes_of(report)
    same = (callers.keys() & first.keys()) - {"init_page_owner"}
    assert len(same) > 5 and {name: first[name] for name in same} == {name: callers[name] for name in same}
    assert texts(report, "#order") == ["Callers are below the functions that they call"]


def everything(chromium: "Chrome") -> list[Any]:
    """Return what the user sees of a view."""
    found: list[Any] = chromium.execute_script(
        """
        const all = (selector, value) => [...document.querySelectorAll(selector)].map(value);
        return [
          all("select, [type=search]", (control) => control.value),
          all("[type=radio], [type=checkbox]", (control) => control.checked),
          all("#flame g", (frame) => [frame.getAttribute("name"), frame.getAttribute("width")]),
          all("#only, #focus, #found, #flame-details, #stacks tbody", (part) => part.innerText),
          all("#owners tbody, #growth tbody", (part) => part.textContent),
        ];
        """
    )
    return found


def focus(chromium: "Chrome", way: str) -> None:
    frame(chromium, WRITING).click()
    toggle(chromium, way)


VIEWS: dict[str, Callable[["Chrome"], None]] = {
    "weight": lambda page: page.find_element("css selector", "input[value=swap] + span").click(),
    "group": lambda page: select(page, "group", ""),
    "invert": lambda page: toggle(page, "invert"),
    "plumbing": lambda page: toggle(page, "plumbing"),
    "search": lambda page: page.find_element("id", "search").send_keys("shmem_get"),
    "process": lambda page: page.find_element("css selector", "#treemap .cell").click(),
    "zoom": lambda page: frame(page, "vfs_write").click(),
    "sort": lambda page: page.find_element("css selector", "#stacks th:nth-of-type(3) button").click(),
    # The table is closed at first.
    "order": lambda page: page.execute_script("document.querySelector('#owners th:nth-of-type(2) button').click()"),
    "callers": lambda page: focus(page, "callers"),
    "callees": lambda page: focus(page, "callees"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_a_link_shows_the_same_view(report: "Chrome", pages: dict[str, Path], name: str) -> None:
    # WHEN the user changes the view, and somebody else opens the address
    first = everything(report)
    assert link_of(report) == ""
    VIEWS[name](report)
    until(lambda: name in link_of(report))
    changed, link = everything(report), link_of(report)
    assert changed != first
    browser.look(report, pages["report"], link=link)
    # THEN they see the same
    until(lambda: everything(report) == changed)
    assert link_of(report) == link
    # AND an address that is edited by hand takes effect at once
    report.execute_script("location.hash = ''")
    until(lambda: everything(report) == first)


def test_a_link_shows_the_order_of_the_processes_that_changed(chromium: "Chrome", pages: dict[str, Path]) -> None:
    browser.look(chromium, pages["diff"])
    first = everything(chromium)
    chromium.find_element("css selector", "#growth th:nth-of-type(1) button").click()
    changed, link = everything(chromium), link_of(chromium)
    assert changed != first
    browser.look(chromium, pages["diff"], link=link)
    assert everything(chromium) == changed


def test_the_zoom_survives_other_selections(report: "Chrome") -> None:
    frame(report, "vfs_write").click()
    zoomed = link_of(report)
    report.find_element("css selector", "input[value=mem] + span").click()
    assert width_of(report, "vfs_write") == width_of(report, "all")
    report.find_element("css selector", "input[value=total] + span").click()
    assert link_of(report) == zoomed != ""


def test_a_link_with_names_that_the_page_lacks_shows_the_first_view(report: "Chrome", pages: dict[str, Path]) -> None:
    first = everything(report)
    link = "weight=x&group=x&sort=x&order=x&mode=%00&process=%3Cimg%20src=x%3E&callers=x&callees=constructor"
    link += "&zoom=x&zoom=%E0%A4%A"
    browser.look(report, pages["report"], link=link)
    assert everything(report) == first and link_of(report) == ""


def test_names_from_the_kernel_are_text_in_links(chromium: "Chrome", pages: dict[str, Path]) -> None:
    # GIVEN a process whose name is markup
    name = SCRIPT.decode()
    browser.look(chromium, pages["hostile"])
    frame(chromium, name).click()
    chromium.find_element("css selector", f"#treemap .cell[title^='{name}']").click()
    link = link_of(chromium)
    browser.look(chromium, pages["hostile"], link=link)
    # THEN its link selects it, as text
    assert texts(chromium, "#only") == [f"Only {name} ✕"] and "<" not in link
    assert len(chromium.find_elements("tag name", "script")) == 2 and browser.console_errors(chromium) == []


@pytest.mark.parametrize("has_clipboard", [True, False])
def test_stacks_are_copied(report: "Chrome", has_clipboard: bool) -> None:
    report.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    paste = "const done = arguments[0]; clipboard.readText().then(done, (error) => done(String(error)))"
    report.execute_script("window.clipboard = navigator.clipboard")
    # GIVEN a page that may or may not use the clipboard by its API: those loaded over http may not
    if not has_clipboard:
        report.execute_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    # WHEN the user copies a stack of the table
    (largest, *_) = spo.attribute(opened(SWAPPED), "stack")["stack"]
    report.find_element("css selector", "#stacks td.open button").click()
    report.find_element("css selector", "td.frames button").click()
    until(lambda: texts(report, "td.frames button") == ["Copied"])
    # THEN it is as the kernel prints it
    assert report.execute_async_script(paste) == "\n".join(largest)
    # AND of the flame graph, functions from the selected one outwards, in the same order also if it is inverted
    for inverted in (False, True):
        if inverted:
            toggle(report, "invert")
        report.execute_script("scrollTo(0, 0)")
        frame(report, "vfs_write").click()
        toggle(report, "copy")
        until(lambda: texts(report, "#copy") == ["Copied"])
        found = str(report.execute_async_script(paste)).split("\n")
        assert found[:2] == ["vfs_write", "ksys_write"] or (inverted and found[-1] == "vfs_write" and WRITING in found)
        until(lambda: texts(report, "#copy") == ["Copy stack"])


def visible_heads(chromium: "Chrome", selector: str) -> list[str]:
    find = "return [...document.querySelectorAll(arguments[0])].filter((e) => e.offsetWidth).map((e) => e.innerText)"
    return [str(title).rstrip(" ▾▴") for title in chromium.execute_script(find, f"{selector} th")]


@pytest.mark.parametrize(
    ("page", "table"), [("report", "#stacks"), ("report", "#owners"), ("diff", "#stacks"), ("diff", "#growth")]
)
def test_on_a_phone_tables_have_memory_and_swap(
    chromium: "Chrome", pages: dict[str, Path], page: str, table: str
) -> None:
    browser.look(chromium, pages[page], width=390)
    chromium.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    assert {"Memory", "Swap"} <= set(visible_heads(chromium, table))
    # AND they are in view without scrolling
    size = "const box = document.querySelector(arguments[0]); return [box.scrollWidth, box.clientWidth]"
    width, room = chromium.execute_script(size, f"{table} .scroll")
    assert width == room


def test_the_treemap_of_a_difference_has_its_changes(chromium: "Chrome", pages: dict[str, Path]) -> None:
    browser.look(chromium, pages["diff"])
    # THEN each cell is a row of the API, memory or swap
    table = spo.diff(opened(BEFORE), opened(SWAPPED), ["comm", "category"])
    said = {
        f"{row['comm']}, {row['category']}: {format_size(row[column], signed=True)} {where}": int(row[column])
        for row in table.to_dict("records")
        for where, column in (("in memory", "mem_bytes_delta"), ("in swap", "swap_bytes_delta"))
    }
    cells = chromium.find_elements("css selector", "#treemap .cell")
    labels = [str(cell.get_attribute("aria-label")) for cell in cells]
    assert len(labels) > 4 and set(labels) <= set(said)
    largest = sorted(said, key=lambda label: -abs(said[label]))
    assert set(labels) >= set(largest[:3])
    # AND growth, shrinking and swap look different
    for cell, label in zip(cells, labels, strict=True):
        classes = set(str(cell.get_attribute("class")).split())
        assert classes == {
            "cell",
            "grew" if said[label] > 0 else "shrank",
            *(["swapped"] if label.endswith("in swap") else []),
        }
    # AND areas are changes
    areas = [cell.size["width"] * cell.size["height"] for cell in cells]
    sizes = [abs(said[label]) for label in labels]
    assert areas[0] / areas[1] == pytest.approx(sizes[0] / sizes[1], rel=0.05)


def test_a_cell_of_a_difference_selects_its_process(chromium: "Chrome", pages: dict[str, Path]) -> None:
    browser.look(chromium, pages["diff"])
    chromium.find_element("css selector", "#treemap .cell[title^='dd,']").click()
    table = spo.diff(opened(BEFORE), opened(SWAPPED), ["comm", "stack"])
    table = table[table["comm"] == "dd"]
    assert texts(chromium, "#only") == ["Only dd ✕"]
    assert values(chromium, "#found data") == [table["total_bytes_delta"].sum()]


def test_what_moved_to_swap_is_wide_in_a_difference(chromium: "Chrome", pages: dict[str, Path]) -> None:
    browser.look(chromium, pages["diff"], link="process=dd")
    # THEN the frame of a process whose memory moved to swap is as wide as the move, and about half of it is hatched
    until(lambda: hatched(chromium, "▲ dd") > 0)
    table = spo.diff(opened(BEFORE), opened(SWAPPED), "comm").set_index("comm").loc["dd"]
    mem, swap = abs(table["mem_bytes_delta"]), abs(table["swap_bytes_delta"])
    assert hatched(chromium, "▲ dd") == pytest.approx(swap / (mem + swap))
    browser.look(chromium, pages["diff"])
    assert width_of(chromium, "▲ dd") / width_of(chromium, "▲ DD") > 0.5
    select(chromium, "mode", "b")
    until(lambda: hatched(chromium, "▲ dd") == pytest.approx(table["swap_bytes_b"] / table["total_bytes_b"]))
