# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exports read by other programs: speedscope, pprof-format (npm), go tool pprof."""

import base64
import json
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import spo_trace as spo
from spo_trace.analysis.attribution import AMOUNTS
from tests import browser
from tests.consumers import GO, SPEEDSCOPE, WHY_NO_GO, WHY_NO_NODE, WHY_NO_SPEEDSCOPE, node
from tests.support import CARRIED

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SWAPPED = CARRIED / "7.2-spo" / "2-swapped"
HOSTILE = CARRIED / "7.2-spo-varied" / "3-partial"

PROFILES = {"memory": "mem_bytes", "swap": "swap_bytes", "total": "total_bytes"}


def exported(snap: spo.Snapshot, format: str, path: Path) -> Path:
    with path.open("w", encoding="utf-8") as file:
        spo.export(snap, format, file)
    return path


READ = """
import { Profile } from "pprof-format";
import { gunzipSync } from "node:zlib";
import { readFileSync } from "node:fs";
const profile = Profile.decode(gunzipSync(readFileSync(process.argv[1])));
const text = (index) => profile.stringTable.strings[Number(index)];
const functions = new Map(profile.function.map((one) => [Number(one.id), text(one.name)]));
const names = new Map(profile.location.map((one) => [Number(one.id), functions.get(Number(one.line[0].functionId))]));
const label = (one) => [text(one.key), one.numUnit ? Number(one.num) : text(one.str)];
console.log(JSON.stringify({
  types: profile.sampleType.map((type) => [text(type.type), text(type.unit)]),
  samples: profile.sample.map((sample) => [
    sample.locationId.map((id) => names.get(Number(id))), sample.value.map(Number), sample.label.map(label),
  ]),
}));
"""


@pytest.mark.skipif(WHY_NO_NODE is not None, reason=str(WHY_NO_NODE))
@pytest.mark.parametrize("source", [SWAPPED, HOSTILE], ids=["swapped", "hostile names"])
def test_a_decoder_of_pprof_reads_every_sample(source: Path, tmp_path: Path) -> None:
    # WHEN a real capture's profile is read by another decoder
    snap = spo.open(source)
    read = node(READ, exported(snap, "pprof", tmp_path / "x.pb.gz"))
    # THEN its samples are the rows of the API, with their labels
    assert read["types"] == [["mem_bytes", "bytes"], ["swap_bytes", "bytes"], ["pages", "count"]]
    keys, amounts = ["comm", "memcg", "order"], ["mem_bytes", "swap_bytes"]
    table = spo.attribute(snap, ["stack", "symbols", *keys]).fillna(dict.fromkeys(AMOUNTS[:6], 0))
    expected = []
    for row in table.to_dict("records"):
        # An empty name is shown as in the tables, because pprof drops an empty label.
        labels = [[key, "?" if pd.isna(row[key]) else '""' if row[key] == "" else row[key]] for key in keys]
        labels = labels if not row["key_known"] else [label for label in labels if label[1] != "?"]
        pages = row["mem_pages"] + row["swap_pages"] - row["swap_cache_pages"]
        expected.append([list(row["symbols"]), [row[name] for name in amounts] + [pages], labels])
    assert sorted(read["samples"], key=repr) == sorted(expected, key=repr)


def pprof(*arguments: object) -> str:
    assert GO
    command = [GO, "tool", "pprof", "-unit=B", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.skipif(WHY_NO_GO is not None, reason=str(WHY_NO_GO))
def test_go_tool_pprof_shows_the_same_amounts(tmp_path: Path) -> None:
    # GIVEN profiles before and after dd's pages went to swap
    before, after = spo.open(SWAPPED.with_name("1-dd256")), spo.open(SWAPPED)
    files = [exported(snap, "pprof", tmp_path / f"{n}.pb.gz") for n, snap in enumerate((before, after))]
    sums = spo.attribute(after, [])[["mem_bytes", "swap_bytes"]].iloc[0]
    # THEN each sample type's total is the API's
    for name in ("mem_bytes", "swap_bytes"):
        assert re.search(rf"of {sums[name]}(\.0)?B total", pprof("-top", f"-sample_index={name}", files[1]))
    # AND so are the tags, and a function's sum
    comms = spo.attribute(after, "comm").set_index("comm")["mem_bytes"]
    tags = dict(re.findall(r"^ +(\d+)(?:\.0)?B \( *[\d.]+%\): (\S+)$", pprof("-tags", files[1]), re.M))
    assert {name: int(size) for size, name in tags.items() if name == "DD"} == {"DD": comms["DD"]}
    stacks = spo.attribute(after, "symbols")
    shmem = stacks[stacks["symbols"].map(lambda names: "shmem_alloc_folio" in names)]
    top = pprof("-top", "-cum", "-sample_index=swap_bytes", files[1])
    assert re.search(rf" {shmem['swap_bytes'].sum()}(?:\.0)?B +100% +shmem_alloc_folio$", top, re.M)
    # AND -diff_base gives the difference of the two
    grown = spo.diff(before, after, [])["swap_bytes_delta"].iloc[0]
    text = pprof("-top", "-cum", "-sample_index=swap_bytes", f"-diff_base={files[0]}", files[1])
    assert re.search(rf" {grown}(?:\.0)?B .* shmem_alloc_folio$", text, re.M)


@pytest.mark.skipif(WHY_NO_SPEEDSCOPE is not None, reason=str(WHY_NO_SPEEDSCOPE))
def test_exports_match_the_schema_of_speedscope(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    content = json.loads(exported(spo.open(HOSTILE), "speedscope", tmp_path / "x.json").read_text())
    jsonschema.validate(content, json.loads((SPEEDSCOPE / "file-format-schema.json").read_text()))


@pytest.mark.skipif(WHY_NO_SPEEDSCOPE is not None, reason=str(WHY_NO_SPEEDSCOPE))
@pytest.mark.skipif(browser.WHY_NOT is not None, reason=str(browser.WHY_NOT))
@pytest.mark.xdist_group("browser")
def test_speedscope_imports_all_three_profiles(tmp_path: Path) -> None:
    # GIVEN the profiles of a real capture, passed as the speedscope command passes them
    snap = spo.open(SWAPPED)
    content = exported(snap, "speedscope", tmp_path / "x.speedscope.json").read_bytes()
    call = f"speedscope.loadFileFromBase64('x.speedscope.json', '{base64.b64encode(content).decode()}')"
    (tmp_path / "load.js").write_text(call)
    with browser.opened() as chromium:
        # WHEN speedscope imports them
        chromium.get(f"{(SPEEDSCOPE / 'index.html').as_uri()}#localProfilePath={tmp_path / 'load.js'}")
        # THEN it shows the last, and each of the others by its key, with the API's sum of a function
        for number, name in ((3, "total"), (2, "swap"), (1, "memory")):
            shows(chromium, f"{name} ({number}/3)")
            press(chromium, "3")
            stacks = spo.attribute(snap, "symbols")
            share = stacks[stacks["symbols"].str[0] == "prep_new_page"][PROFILES[name]].sum()
            shows(chromium, f"{share / 1024 / 1024:.2f} MB")
            shows(chromium, "prep_new_page")
            press(chromium, "1")
            press(chromium, "p")


def press(driver: "Chrome", key: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(key).perform()


def shows(driver: "Chrome", text: str) -> None:
    for _ in range(200):
        if text in driver.find_element("tag name", "body").text:
            return
        time.sleep(0.05)
    raise AssertionError(f"{text!r} is not in {driver.find_element('tag name', 'body').text[:300]!r}")
