# SPDX-License-Identifier: LGPL-2.1-or-later
"""Scenarios: errors contain the file, the place, the key and what is allowed."""

from pathlib import Path

import pytest

from spo_trace.errors import SpoTraceError
from spo_trace.simulator import load_scenario
from spo_trace.simulator.steps import Allocate, Spawn, Touch

HEAD = 'seed = 1\nformat = "F"\nswap_owner = true\n'
MACHINE = "[machine]\nspanned_pages = 4096\nreserved = [[0, 256]]\nearly_pages = 10\nmin_free_kib = 200\n"
SWAP = '[[swap]]\nname = "/dev/vda"\nsize = "4 MiB"\n'
SPAWN = '[[step]]\ndo = "spawn"\nprocess = "dd"\npid = 7\n'
ALLOCATE = '[[step]]\ndo = "allocate"\nprocess = "dd"\nsite = "anon-fault"\nsize = "64 KiB"\nregion = "heap"\n'
SNAPSHOT = '[[step]]\ndo = "snapshot"\nname = "end"\n'
GOOD = HEAD + MACHINE + SWAP + SPAWN + ALLOCATE + SNAPSHOT

SITE = """[sites.mine]
kind = "kernel"
order = 0
gfp = "0xcc0(GFP_KERNEL)"
migratetype = "Unmovable"
flags = []
charge = "none"
frames = '''
mine+0x1/0x2
'''
"""


def step(do: str, keys: str) -> str:
    return f'[[step]]\ndo = "{do}"\n{keys}\n'


def load(tmp_path: Path, text: str) -> SpoTraceError:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(SpoTraceError) as caught:
        load_scenario(path)
    return caught.value


def test_a_good_scenario_has_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(GOOD + step("touch", 'process = "dd"\nregion = "heap"\nsize = "2 pages"'))
    scenario = load_scenario(path)
    assert (scenario.name, scenario.seed, scenario.swap_owner) == ("good", 1, True)
    assert scenario.machine.reserved == [(0, 256)]
    assert scenario.swaps[0].size == 1024
    spawn, allocate, _, touch = scenario.steps
    assert isinstance(spawn, Spawn)
    assert isinstance(allocate, Allocate)
    assert isinstance(touch, Touch)
    assert (allocate.size, allocate.swappable, touch.size) == (16, True, 2)


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("seed = 1\n", "", "seed: is missing", "the keys here are seed, description, format, swap_owner"),
        ("seed = 1", "seed = 'a'", "seed: 'a' is not an integer", "seed is an integer"),
        ("seed = 1", "seed = true", "seed: True is not an integer", "seed is an integer"),
        ("seed = 1", "sed = 1", "sed: is unknown", "the keys here are seed"),
        ("seed = 1", "seed = ", "not TOML", "fixtures/scenarios"),
        ('format = "F"', 'format = "G"', "format: 'G' is unknown", "one of A, B, C, D, E, F"),
        ('format = "F"', 'format = "E"', "swap_owner: format E has no swap_page_owner", 'format = "F"'),
        ("swap_owner = true", "swap_owner = 1", "swap_owner: 1 is not true or false", "true or false"),
        ("[machine]", "[[machine]]", "machine: not a table", "[machine]"),
        ("early_pages = 10\n", "", "machine: early_pages: is missing", "spanned_pages, reserved, early_pages"),
        ("early_pages = 10", "early_pages = -1", "machine: early_pages: -1 is negative", "at least 0"),
        ("spanned_pages = 4096", "spanned_pages = 0", "machine: spanned_pages: is not positive", "at least 1"),
        ("min_free_kib = 200", "min_free_kib = 200\ncpus = 0", "machine: cpus: is not positive", "at least 1"),
        ("[[0, 256]]", "[[0, 256], [255, 300]]", "machine: reserved: [255, 300] overlaps", "spanned_pages = 4096"),
        ("[[0, 256]]", "[[0, 5000]]", "machine: reserved: [0, 5000] overlaps, is empty or ends too high", "4096"),
        ("[[0, 256]]", "[[0]]", "machine: reserved: [0] is not a range", "[[0, 256], [4096, 10752]]"),
        ("[[0, 256]]", "7", "machine: reserved: 7 is not a list", "[[0, 256], [4096, 10752]]"),
        ('name = "/dev/vda"', "", "swap 1: name: is missing", "name, size, priority, type"),
        ('"4 MiB"', '"4 MB"', "swap 1: size: '4 MB' is not a size", '"256 MiB", "60 KiB" or "513 pages"'),
        ('"4 MiB"', "4", "swap 1: size: 4 is not a size", '"256 MiB"'),
        ('"4 MiB"', '"3 KiB"', "swap 1: size: '3 KiB' is not whole pages", "multiple of 4096"),
        ('"4 MiB"', '"4 MiB"\ntype = "disk"', "swap 1: type: 'disk' is unknown", "partition or file"),
        ('do = "spawn"', 'do = "born"', "step 1: do: 'born' is unknown", "spawn, fork, rename, exit, allocate"),
        ('do = "spawn"\n', "", "step 1: do: None is unknown", "spawn, fork"),
        ("pid = 7\n", "", "step 1: pid: is missing", "process, pid, tgid, comm, memcg"),
        ("pid = 7", 'pid = 7\ncomm = "sixteen bytes 16"', "step 1: comm: b'sixteen bytes 16' is invalid", "15 bytes"),
        ("pid = 7", "pid = 7\ncomm = 8", "step 1: comm: 8 is not a string", "a string"),
        ('"anon-fault"', '"nowhere"', "step 2: site: 'nowhere' is unknown", "anon-fault"),
        ('process = "dd"\nsite', 'process = "cat"\nsite', "step 2: process: 'cat' is unknown", "there are: dd"),
        (SNAPSHOT, "", "step: there is no snapshot", 'do = "snapshot"'),
        (SNAPSHOT, SNAPSHOT * 2, "step 4: name: 'end' exists already", "its own name"),
        (SPAWN, SPAWN * 2, "step 2: process: 'dd' exists already", "its own name"),
        (
            SNAPSHOT,
            SNAPSHOT + step("touch", 'process = "dd"\nregion = "x"'),
            "step 4: region: 'x' is unknown",
            "heap",
        ),
        (SNAPSHOT, SNAPSHOT + step("free", 'region = "x"'), "step 4: region: 'x' is unknown", "heap"),
        (SNAPSHOT, SNAPSHOT + step("pageout", 'region = "x"'), "step 4: region: 'x' is unknown", "heap"),
        (SNAPSHOT, SNAPSHOT + step("exit", 'process = "x"'), "step 4: process: 'x' is unknown", "dd"),
        (SNAPSHOT, SNAPSHOT + step("rename", 'process = "x"\ncomm = "y"'), "step 4: process: 'x' is unknown", "dd"),
        (
            SNAPSHOT,
            SNAPSHOT + step("fork", 'parent = "x"\nprocess = "y"\npid = 9'),
            "step 4: parent: 'x' is unknown",
            "there are: dd",
        ),
        (
            SNAPSHOT,
            SNAPSHOT + step("migrate", 'region = "heap"\nreason = "boredom"'),
            "step 4: reason: 'boredom' is unknown",
            "compaction",
        ),
        (SNAPSHOT, SNAPSHOT + step("remove_memcg", 'memcg = "x"'), "step 4: memcg: 'x' is unknown", "there are: /"),
        (SNAPSHOT, SNAPSHOT + step("wait", "seconds = -1"), "step 4: seconds: -1 is negative", "at least 0"),
    ],
)
def test_errors_are_precise(tmp_path: Path, old: str, new: str, message: str, hint: str) -> None:
    # GIVEN a valid scenario with one error
    assert old in GOOD
    error = load(tmp_path, GOOD.replace(old, new, 1))
    # THEN the message contains the file, the place, the key and what is allowed
    assert f"{tmp_path / 'wrong.toml'}: {message}" in error.message
    assert error.hint is not None
    assert hint in error.hint


@pytest.mark.parametrize(
    ("text", "key", "written"),
    [
        ("step = [1]\n", "step", "[[step]]"),
        ("swap = 3\n", "swap", "[[swap]]"),
        ("sites = {mine = 1}\n", "sites", "[sites.NAME]"),
        ("machine = 3\n", "machine", "[machine]"),
    ],
)
def test_values_that_are_not_tables_are_reported(tmp_path: Path, text: str, key: str, written: str) -> None:
    error = load(tmp_path, HEAD + text)
    assert error.message == f"{tmp_path / 'wrong.toml'}: {key}: not a table"
    assert error.hint == f"write {written}"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("order = 0", "order = 11", "order"),
        ("order = 0", "", "order"),
        ('kind = "kernel"', 'kind = "user"', "kind"),
        ('charge = "none"', 'charge = "some"', "charge"),
        ('"Unmovable"', '"Immovable"', "migratetype"),
        ('"0xcc0(GFP_KERNEL)"', '"GFP_KERNEL"', "gfp"),
        ("flags = []", 'flags = ["shiny"]', "flags"),
        ("flags = []", "flags = []\ncolour = 1", "colour"),
    ],
)
def test_invalid_sites_are_reported(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert old in SITE
    error = load(tmp_path, GOOD + SITE.replace(old, new))
    assert error.message == f"{tmp_path / 'wrong.toml'}: sites.mine: {key}: invalid or missing"
    assert error.hint


def test_a_scenario_can_define_a_site(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(GOOD.replace("anon-fault", "mine") + SITE)
    assert load_scenario(path).sites["mine"].frames == ("mine+0x1/0x2",)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SpoTraceError, match=r"none\.toml: No such file or directory"):
        load_scenario(tmp_path / "none.toml")


def test_octal_escapes_can_produce_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "bytes.toml"
    path.write_text(GOOD.replace("pid = 7", "pid = 7\ncomm = 'a\\377\\012b'"))
    spawn = load_scenario(path).steps[0]
    assert isinstance(spawn, Spawn)
    assert spawn.comm == b"a\xff\nb"


def test_every_scenario_of_the_project_loads(scenarios: Path) -> None:
    names = {path.stem for path in scenarios.glob("*.toml") if load_scenario(path)}
    assert {"rfc-before", "rfc-after", "quick"} <= names


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "/x",
        "a/b",
        ".",
        "..",
        ".hidden",
        "",
        "a\\\\b",
        "a\\u0000",
        "a\\n",
        "\\u001b[2J",
        "x" * 201,
        "é" * 101,
    ],
)
def test_a_stage_has_a_name_for_one_directory(tmp_path: Path, name: str) -> None:
    error = load(tmp_path, GOOD + step("snapshot", f'name = "{name}"'))
    assert ": step 4: name: " in error.message
    assert error.hint


@pytest.mark.parametrize("name", ["x" * 200, "é" * 100, "1-after é .toml", "-"])
def test_names_of_stages(tmp_path: Path, name: str) -> None:
    path = tmp_path / "good.toml"
    path.write_text(GOOD + step("snapshot", f'name = "{name}"'))
    assert load_scenario(path)
