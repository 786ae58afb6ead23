# SPDX-License-Identifier: LGPL-2.1-or-later
"""The HTML reports in a real browser: they show the amounts of the API, and can be operated."""

import time
from collections.abc import Callable, Hashable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.analysis.ages import AGES
from spo_trace.reporters.format import format_size
from spo_trace.reporters.html.report import ReportTables, render_report
from spo_trace.stacks.rules import CATEGORIES
from tests import browser
from tests.support import CARRIED, MACHINE, SHMEM, capture, entry, meminfo, page

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

pytestmark = [
    pytest.mark.skipif(browser.WHY_NOT is not None, reason=str(browser.WHY_NOT)),
    pytest.mark.xdist_group("browser"),
]

SWAPPED = CARRIED / "7.2-spo" / "2-swapped"
STOCK = CARRIED / "7.2-stock" / "2-swapped"
WEIGHTS = {"total": "total_bytes", "mem": "mem_bytes", "swap": "swap_bytes"}

# A comm of 15 bytes can contain half of an attack, the name of a memcg all of it.
SCRIPT = b"<script>x()//"
MEMCG = b"</script><img src=x onerror=document.title='owned'>"
HOSTILE = {
    **MACHINE,
    "page_owner": page(comm=SCRIPT, tail=b"Charged to memcg %b\n" % MEMCG)
    + page(0x101, comm=b'"&<b>{{data}}')
    + page(0x102, comm=b"", stack=(b"a<img+0x1/0x2", *SHMEM)),
    "swap_page_owner": entry(1, SCRIPT),
    "meminfo": meminfo(),
}


@pytest.fixture(scope="module")
def chromium() -> Iterator["Chrome"]:
    with browser.opened() as driver:
        yield driver


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("pages")
    names = {"report": SWAPPED, "stock": STOCK, "hostile": capture(directory / "hostile", HOSTILE)}
    written = {name: directory / f"{name}.html" for name in (*names, "diff", "unknown diff")}
    for name, source in names.items():
        with written[name].open("w", encoding="utf-8") as file:
            spo.export(spo.open(source), "html", file)
    for name, b in (("diff", SWAPPED), ("unknown diff", STOCK)):
        with written[name].open("w", encoding="utf-8") as file:
            spo.export_diff(spo.open(b.with_name("1-dd256")), spo.open(b), file)
    return written


def texts(driver: "Chrome", selector: str) -> list[str]:
    found: list[str] = driver.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector
    )
    return found


def values(driver: "Chrome", selector: str) -> list[int]:
    found: list[str] = driver.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((e) => e.value)", selector
    )
    return [int(value) for value in found]


def until(happened: Callable[[], bool]) -> None:
    """Wait long enough for a busy machine."""
    for _ in range(200):
        if happened():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def choose_weight(driver: "Chrome", name: str) -> None:
    driver.find_element("css selector", f"input[value={name}] + span").click()


def select(driver: "Chrome", name: str, value: str) -> None:
    driver.find_element("css selector", f"#{name} option[value='{value}']").click()


def search(driver: "Chrome", text: str, *, finds: str) -> None:
    driver.find_element("id", "search").send_keys(text)
    until(lambda: texts(driver, "#found") == [finds])


def frame(driver: "Chrome", name: str) -> "WebElement":
    """Return the widest frame of the flame graph with this label."""
    widest = """
        const named = [...document.querySelectorAll("#flame g")].filter((g) => g.getAttribute("name") === arguments[0]);
        return named.sort((a, b) => b.getAttribute("width") - a.getAttribute("width"))[0];
    """
    found: WebElement = driver.execute_script(widest, name)
    return found


def fills_of(driver: "Chrome") -> dict[str, str]:
    frames = "[...document.querySelectorAll('#flame g')]"
    return dict(
        driver.execute_script(
            f"return {frames}.map((g) => [g.getAttribute('name'), g.firstChild.getAttribute('fill')])"
        )
    )


def width_of(driver: "Chrome", name: str) -> float:
    return float(frame(driver, name).get_attribute("width") or 0)


@pytest.mark.parametrize("name", ["report", "diff", "hostile"])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_it_opens_without_errors_at_any_size(
    chromium: "Chrome", pages: dict[str, Path], name: str, width: int, dark: bool
) -> None:
    # WHEN a page is opened
    browser.look(chromium, pages[name], width=width, dark=dark)
    # THEN the console is empty, charts and tables are there, and nothing overflows to the right
    assert browser.console_errors(chromium) == []
    assert len(texts(chromium, "#flame g")) > 2 and len(texts(chromium, "#stacks tbody tr")) > 1
    assert chromium.execute_script("return document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("weight", WEIGHTS)
def test_sums_equal_the_apis(chromium: "Chrome", pages: dict[str, Path], weight: str) -> None:
    # GIVEN a report with one kind of amount selected
    browser.look(chromium, pages["report"], link="group=category")
    choose_weight(chromium, weight)
    snap = spo.open(SWAPPED)
    total = spo.attribute(snap, [])[WEIGHTS[weight]].iloc[0]
    # THEN the tiles, the search result, the root of the flame graph and the row of all ages are the totals of the API
    whole = spo.attribute(snap, []).iloc[0]
    assert values(chromium, ".tiles data") == [whole["mem_bytes"], whole["swap_bytes"], whole["total_bytes"]]
    assert values(chromium, "#found data") == [total]
    frame(chromium, "all").click()
    assert f"{format_size(total)}, 100.0%" in texts(chromium, "#flame-details")[0]
    assert values(chromium, "#ages .sum data")[0] == total
    # AND frames of categories, cells and age rows of processes, and rows of stacks are the groups of the API
    sizes = spo.attribute(snap, "category").set_index("category")[WEIGHTS[weight]]
    for category in sizes[sizes > total / 100].index:
        frame(chromium, category).click()
        assert format_size(sizes[category]) in texts(chromium, "#flame-details")[0]
        chromium.find_element("id", "reset").click()
    stacks = spo.attribute(snap, "stack")[WEIGHTS[weight]].sort_values(ascending=False)
    column = {"total": 2, "mem": 3, "swap": 4}[weight]
    shown = values(chromium, f"#stacks tbody td:nth-child({column}) data")
    assert shown == list(stacks[stacks > 0].head(50))
    comms = spo.attribute(snap, "comm")[WEIGHTS[weight]].sort_values(ascending=False)
    comms = comms[comms > 0]
    others = [comms.iloc[12:].sum()] if len(comms) > 12 else []
    assert values(chromium, "#ages .sum data")[1:] == [*comms.head(12), *others]


def cgroup(row: dict[Hashable, Any]) -> str:
    """Return the name that a page shows for a memory cgroup."""
    if pd.isna(row["memcg"]):
        return "(no memcg)" if row["key_known"] else "(unknown memcg)"
    return str(row["memcg"])


def test_the_treemap_and_its_table_are_memcg_by_comm(chromium: "Chrome", pages: dict[str, Path]) -> None:
    browser.look(chromium, pages["report"])
    owners = spo.attribute(spo.open(SWAPPED), ["memcg", "comm"])
    # THEN the table has the rows of the API, and every cell has its amounts
    assert values(chromium, "#owners td:nth-child(5) data") == list(owners["total_bytes"].head(50))
    said = [
        f"{row['comm']} in {cgroup(row)}: {format_size(row['mem_bytes'])} in memory, "
        + ("swap unknown" if pd.isna(row["swap_bytes"]) else f"{format_size(row['swap_bytes'])} in swap")
        + (f", {format_size(row['swap_cache_bytes'])} of it in both" if row["swap_cache_bytes"] else "")
        for row in owners.to_dict("records")
    ]
    labels = chromium.execute_script("return [...document.querySelectorAll('.cell')].map((e) => e.ariaLabel)")
    assert len(labels) > 10 and set(labels) <= set(said)


def test_search_finds_a_frame(chromium: "Chrome", pages: dict[str, Path]) -> None:
    browser.look(chromium, pages["report"], link="group=category&plumbing")
    # WHEN the user searches for a function
    found = spo.attribute(spo.open(SWAPPED), "stack", where='stack.str.contains("alloc_anon_folio|folio_prealloc")')
    found = found[["folio_prealloc" in "".join(stack) for stack in found["stack"]]]
    search(chromium, "Folio_prealloc", finds=f"{len(found)} stacks, {format_size(found['total_bytes'].sum())}")
    # THEN its frames are highlighted, others are dimmed, and the table has only stacks with it
    fills = fills_of(chromium)
    assert fills["folio_prealloc"] == "var(--hit)"
    assert (fills["anon"], fills["tmpfs/shmem"]) == ("var(--anon)", "var(--dim)")
    assert len(texts(chromium, "#stacks tbody tr")) == len(found)
    assert "Call site" in [title.rstrip(" ▾▴") for title in texts(chromium, "#stacks th")]
    # AND an opened row shows the match
    chromium.find_element("css selector", "#stacks td.open button").click()
    assert texts(chromium, "#stacks mark") == ["folio_prealloc"]


def test_a_click_zooms_and_reset_goes_back(chromium: "Chrome", pages: dict[str, Path]) -> None:
    browser.look(chromium, pages["report"], link="group=category")
    whole, before = width_of(chromium, "all"), width_of(chromium, "anon")
    frame(chromium, "anon").click()
    until(lambda: width_of(chromium, "anon") == whole > before)
    chromium.find_element("id", "reset").click()
    until(lambda: width_of(chromium, "anon") == before)


def test_it_can_be_used_with_the_keyboard(chromium: "Chrome", pages: dict[str, Path]) -> None:
    browser.look(chromium, pages["report"], link="group=category")
    from selenium.webdriver import ActionChains, Keys

    keys = ActionChains(chromium)
    # WHEN the user goes to the flame graph with Tab, moves to the second category, and presses Enter
    focused = "return document.activeElement.id"
    for _ in range(20):
        keys.send_keys(Keys.TAB).perform()
        if chromium.execute_script(focused) == "flame":
            break
    whole, before = width_of(chromium, "all"), width_of(chromium, "anon")
    keys.send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ENTER).perform()
    # THEN it is announced and zoomed; Escape goes back
    assert texts(chromium, "#flame-details")[0].startswith("anon")
    until(lambda: width_of(chromium, "anon") == whole)
    keys.send_keys(Keys.ESCAPE).perform()
    until(lambda: width_of(chromium, "anon") == before)
    # AND Tab continues with the descriptions of the categories
    keys.send_keys(Keys.TAB, Keys.ENTER).perform()
    assert texts(chromium, ".terms dt")[0] == "anon"
    # AND with the cells of the treemap: one is selected and deselected
    keys.send_keys(Keys.TAB, Keys.ENTER).perform()
    assert texts(chromium, "#only") == ["Only DD ✕"]
    dd = spo.attribute(spo.open(SWAPPED), "stack", where='comm == "DD"')
    assert values(chromium, "#found data") == [dd["total_bytes"].sum()]
    assert ", 100.0% · " in texts(chromium, "#flame g title")[0]
    chromium.find_element("id", "only").send_keys(Keys.ENTER)
    assert not chromium.find_element("id", "only").is_displayed()


def test_unknown_amounts_cannot_be_selected(chromium: "Chrome", pages: dict[str, Path]) -> None:
    # GIVEN a kernel without owners of swap
    browser.look(chromium, pages["stock"])
    # THEN only memory can be selected, and is selected
    found = "return [...document.querySelectorAll('input[name=weight]')].filter((e) => !e.disabled).map((e) => e.value)"
    assert chromium.execute_script(found) == ["mem"]
    assert chromium.execute_script("return document.querySelector('input[name=weight]:checked').value") == "mem"
    browser.look(chromium, pages["report"])
    assert chromium.execute_script(found) == ["total", "mem", "swap"]


def test_unknown_amounts_are_never_0(chromium: "Chrome", pages: dict[str, Path]) -> None:
    # GIVEN the reports of a kernel without owners of swap
    browser.look(chromium, pages["stock"], link="group=category")
    frame(chromium, "tmpfs/shmem").click()
    # THEN the details of the flame graph, the treemap and the tables show unknown, or leave swap out
    assert ", swap unknown · " in texts(chromium, "#flame-details")[0]
    labels = chromium.execute_script("return [...document.querySelectorAll('.cell')].map((e) => e.ariaLabel)")
    assert len(labels) > 10 and all(label.endswith(" in memory, swap unknown") for label in labels)
    for table in ("#owners th", "#stacks th"):
        heads = [title.rstrip(" ▾▴") for title in texts(chromium, table)]
        assert "Memory" in heads and not {"Swap", "Both"} & {*heads}
    browser.look(chromium, pages["unknown diff"])
    assert texts(chromium, ".tiles b") == ["unknown"]
    assert [title.rstrip(" ▾▴") for title in texts(chromium, "#growth th")] == ["Process", "Change", "A", "B", "Rate"]
    assert browser.console_errors(chromium) == []


def test_of_ten_thousand_stacks_only_visible_frames_are_drawn(chromium: "Chrome", tmp_path: Path) -> None:
    # GIVEN 10,000 stacks of 16 frames, 12 of which no other stack has
    frames = [tuple(f"f{i * 5 % 3989 if d < 12 else i % 7}_{d}+0x1/0x2" for d in range(16)) for i in range(10_000)]
    of_stack = {"category": "slab", "caller": "f", "callsite": "f", "module": "vmlinux"}
    named = {**of_stack, "comm": [f"comm-{i % 300}" for i in range(10_000)]}
    bytes_of = {"mem_bytes": [4096 * (1 + i % 97) for i in range(10_000)], "swap_bytes": 0, "swap_cache_bytes": 0}
    stacks = pd.DataFrame({"stack": frames, **named, **bytes_of})
    stacks["total_bytes"] = stacks["mem_bytes"]
    owners = stacks.groupby("comm", as_index=False)[[*bytes_of]].sum().assign(memcg="/", key_known=True)
    tables = ReportTables(stacks, owners, owners.assign(age_from=60, age_to=120), None, AGES, CATEGORIES)
    with (tmp_path / "large.html").open("w") as file:
        render_report(tables, file, title="large", facts=[], notes=[], version="0")
    # WHEN it is opened, searched and zoomed
    browser.look(chromium, tmp_path / "large.html", link="group=category")
    assert values(chromium, "#found data") == [stacks["mem_bytes"].sum()]
    search(chromium, "f5_0", finds=found_text(stacks[["f5_0" in "".join(stack) for stack in stacks["stack"]]]))
    frame(chromium, "slab").click()
    # THEN frames that are too narrow to see, and rows beyond the first ones, are not drawn
    assert browser.console_errors(chromium) == []
    assert len(texts(chromium, "#flame g")) < 1280 / 2 * 18
    assert len(texts(chromium, "#stacks tbody tr")) <= 50


def found_text(stacks: pd.DataFrame) -> str:
    return f"{len(stacks)} stacks, {format_size(stacks['mem_bytes'].sum())}"


def test_headings_sort(chromium: "Chrome", pages: dict[str, Path]) -> None:
    browser.look(chromium, pages["report"])
    heading = chromium.find_element("css selector", "#stacks th:nth-of-type(2) button")
    for order in (False, True):
        heading.click()
        shown = values(chromium, "#stacks tbody td:nth-child(3) data")
        assert shown == sorted(shown, reverse=not order)
    # AND a search keeps the order; another amount is sorted with its largest first
    chromium.find_element("id", "search").send_keys("folio_prealloc")
    until(lambda: len(texts(chromium, "#stacks tbody tr")) < 50)
    assert heading.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    choose_weight(chromium, "swap")
    assert heading.find_element("xpath", "..").get_attribute("aria-sort") == "none"


def test_names_from_the_kernel_are_text(chromium: "Chrome", pages: dict[str, Path]) -> None:
    # WHEN a report with markup in its names is opened and all of its parts are used
    browser.look(chromium, pages["hostile"])
    for selector in ("#stacks td.open button", "#treemap .cell", "details summary"):
        chromium.find_element("css selector", selector).click()
    select(chromium, "group", "comm")
    # THEN the markup has created no element, and the names are shown as text
    made = "return [document.querySelectorAll('img, b:not(#flame-details b, #ages b)').length, document.scripts.length]"
    assert chromium.execute_script(made) == [0, 2]
    assert chromium.title == "Memory of box, Linux 7.2.13" and browser.console_errors(chromium) == []
    comms = {"<script>x()//", '"&<b>{{data}}', '""'}
    assert comms <= set(texts(chromium, "#ages th"))
    assert MEMCG.decode() in texts(chromium, "#owners td")
    search(chromium, "a<img", finds=f"1 stack, {format_size(4096)}")
    assert texts(chromium, "#stacks mark") == [] and len(texts(chromium, "#stacks tbody tr")) == 1


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_difference_equals_the_apis(chromium: "Chrome", pages: dict[str, Path], weight: str) -> None:
    # GIVEN the page of a difference
    browser.look(chromium, pages["diff"])
    choose_weight(chromium, weight)
    a, b = spo.open(SWAPPED.with_name("1-dd256")), spo.open(SWAPPED)
    whole = spo.diff(a, b, []).iloc[0]
    column = f"{WEIGHTS[weight]}_delta"
    # THEN the tiles and the root of the flame graph are the amounts of the API
    names = ("mem_bytes_delta", "swap_bytes_delta", "total_bytes_delta")
    assert values(chromium, ".tiles data") == [whole[name] for name in names]
    frame(chromium, "▲ all").click()
    assert format_size(whole[column], signed=True) in texts(chromium, "#flame-details")[0]
    # AND the tables have the changed rows of the API
    for place, key, nth in (("growth", "comm", 2), ("stacks", "stack", 2)):
        changed = spo.diff(a, b, key)[column].sort_values(ascending=False)
        changed = changed[changed != 0]
        assert values(chromium, f"#{place} tbody td:nth-child({nth}) data") == list(changed.head(50))


def test_growth_is_visible_without_colour(chromium: "Chrome", pages: dict[str, Path]) -> None:
    browser.look(chromium, pages["diff"])
    choose_weight(chromium, "mem")
    select(chromium, "group", "comm")
    # THEN growth and shrinking have different signs, and shrinking is hatched
    found = fills_of(chromium)
    assert (found["▲ DD"], found["▼ dd"]) == ("url(#grew-4)", "url(#shrank-4)")
    # AND with the widths of A, frames that only B has are left out
    select(chromium, "mode", "a")
    assert "▼ dd" in fills_of(chromium) and "▲ DD" not in fills_of(chromium)


def test_numbers_are_written_as_on_the_command_line(chromium: "Chrome", pages: dict[str, Path], tmp_path: Path) -> None:
    # GIVEN amounts at all edge cases: rounding of halves, changes of the unit, signs
    sizes = [n * 4096 for n in (*range(0, 3000, 7), 288, 32, 1 << 20, (1 << 20) + 32, 255 * 1024 * 1024)]
    sizes += [-size for size in sizes[:200]] + [1, 1023, 1152, 1 << 50]
    # WHEN the script of the page formats them
    script = resources.files("spo_trace.reporters.html").joinpath("format.js").read_text()
    browser.look(chromium, pages["report"])
    for signed in (False, True):
        call = f"{script}; return arguments[0].map((size) => formatSize(size, {str(signed).lower()}));"
        # THEN they are equal to the output of the command line
        assert chromium.execute_script(call, sizes) == [format_size(size, signed=signed) for size in sizes]
