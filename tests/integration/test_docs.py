# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documents are correct: the commands print what is shown, and options, columns, codes and files exist."""

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spo_trace import schema
from spo_trace.analysis.keys import KEY_TABLE
from spo_trace.analysis.notes import NoteCode
from spo_trace.analysis.verdicts import Reason
from spo_trace.cli import COMMANDS
from spo_trace.findings.codes import Code
from spo_trace.stacks.rules import CATEGORIES
from tests.docs.explain import explain_page
from tests.docs.keys import keys_page
from tests.docs.reference import commands, options_of, reference
from tests.support import in_process

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SCHEMA = (ROOT / "spo_trace/snapshots/SCHEMA.md").read_text()
BIN = Path(sys.executable).parent
REFERENCE = ROOT / "docs" / "commands.md"
KEYS = ROOT / "docs" / "keys.md"
EXPLAIN = ROOT / "docs" / "explain.md"
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
TERMS = (
    *(
        "swapper",
        "early boot",
        "handle",
        "stack depot",
        "nr_base_pages",
        "order",
        "gfp_mask",
        "migratetype",
        "pageblock",
    ),
    *(
        "memory block",
        "swap cache",
        "swp_entry",
        "swap type",
        "swap offset",
        "PFN",
        "memcg",
        "swapped",
        "restored page",
    ),
    *("placeholder stacks", "page_ext"),
)
# Measurements, generated as a whole: they contain no commands to type.
MEASURED = [path for path in (ROOT / "docs").glob("*.md") if "\nWritten by `make " in path.read_text()]
# It needs root and a kernel with page_owner: tests/vm runs it.
TRACE = ROOT / "docs" / "trace.md"
PAGES = [ROOT / "README.md", *sorted({*(ROOT / "docs").glob("*.md")} - {REFERENCE, KEYS, TRACE, *MEASURED})]
CAPTURES = ROOT / "docs" / "captures.md"
TOURS = [page for page in PAGES if "```console" in page.read_text()]
OTHERS = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "fixtures" / "README.md", TRACE]

# The size of a Parquet file depends on the version of pyarrow.
FILE_SIZE = re.compile(r", [\d.]+ [KM]iB$")


def tour(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a document's console blocks, each with the output that the document shows."""
    steps: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line.removeprefix("$ "), []))
            elif line != "…":
                steps[-1][1].append(line)
    return steps


def shell(script: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(directory), "LC_ALL": "C.UTF-8"}
    return subprocess.run(["sh", "-c", script], cwd=directory, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("page", TOURS, ids=lambda path: path.stem)
def test_a_tour_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    # GIVEN the commands of a document, run in the directory of its first cd
    steps = tour(page.read_text())
    where = tmp_path
    if steps[0][0].startswith("cd "):
        where = ROOT / steps.pop(0)[0].removeprefix("cd ")
        assert where.is_dir()
    for command, shown in steps:
        # WHEN a command is run as printed (with files elsewhere, and without tools of others)
        ours = command.partition(" | ")[0].replace("/tmp/", f"{tmp_path}/")
        result = shell(f"cd {where} && {{ {ours}\n}} 2>&1", tmp_path)
        printed = [FILE_SIZE.sub("", line) for line in result.stdout.replace(f"{tmp_path}/", "/tmp/").splitlines()]
        # THEN it prints every line that is shown
        assert result.returncode == 0, result.stdout
        for line in shown:
            assert FILE_SIZE.sub("", line) in printed, (command, result.stdout)


@pytest.mark.parametrize("page", [*PAGES, REFERENCE, *OTHERS], ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_name_no_option_that_does_not_exist(page: Path) -> None:
    known = commands()
    named = re.findall(
        r"(?:spo-trace|\.venv/bin/spo-trace) (fleet \w+|\w+)((?: (?!spo-trace)[^\n|`;#&()]*)?)", page.read_text()
    )
    for name, rest in named:
        if name in known:
            # Quoted words belong to an expression, not to the command line.
            words = re.sub(r"'[^']*'|\"[^\"]*\"", "", rest).split()
            options = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
            assert set(options) <= set(options_of(known[name])), (name, rest)
    # An option mentioned alone belongs to any command.
    every = {option for command in known.values() for option in options_of(command)} | {"--help", "--version"}
    alone = set(re.findall(r"`(--[a-z][a-z-]*)", page.read_text()))
    assert alone <= every


def test_the_reference_matches_help() -> None:
    assert REFERENCE.read_text() == reference(), "make docs"


def test_the_page_of_findings_matches_the_table_of_rules() -> None:
    assert EXPLAIN.read_text() == explain_page(), "make docs"


@pytest.mark.parametrize("code", Code)
def test_every_finding_is_documented(code: str) -> None:
    assert f"\n| {code} | " in EXPLAIN.read_text()


def test_the_page_of_keys_matches_the_table_of_keys() -> None:
    assert KEYS.read_text() == keys_page(), "make docs"


@pytest.mark.parametrize("name", commands())
def test_every_option_has_a_help_text(name: str, tmp_path: Path) -> None:
    shown = in_process(*name.split(), "--help", cwd=tmp_path).stdout.decode()
    for param in commands()[name].params:
        assert len(param.help or "") > 10, param.name
        assert all(word in shown for word in [*param.opts, *param.secondary_opts] if word.startswith("-"))


@pytest.mark.parametrize("page", [*PAGES, REFERENCE, *OTHERS], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_have_a_target(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_change_log_fits_the_width_of_a_review() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > 120] == []


def test_the_capture_script_runs_as_documented(tmp_path: Path) -> None:
    # GIVEN the command for machines without Python, run on this machine, which may lack page_owner
    line = next(line for line in CAPTURES.read_text().splitlines() if line.startswith("spo-trace capture-script"))
    assert " ssh root@HOST " in line
    # WHEN it runs
    result = shell(line.replace("ssh root@HOST ", ""), tmp_path)
    # THEN the archive contains the files of /proc, and page_owner or the reason why not
    with tarfile.open(tmp_path / "capture.tar.gz") as archive:
        names = {Path(name).name for name in archive.getnames()}
    assert {"meminfo", "meminfo-after", "uname", "date", "pagesize"} <= names
    assert result.returncode == ("page_owner.err" in names and not names & {"page_owner", "page_owner.gz"})


def test_the_columns_of_a_recording_are_documented(tmp_path: Path) -> None:
    documented = re.findall(r"^\| (\w+) \| (\w+) \|", (ROOT / "docs/find-a-leak.md").read_text(), re.MULTILINE)[1:]
    in_process("watch", "--from", "leak", "--backend", "simulator", "--count", 1, "--record", "r", cwd=tmp_path)
    fields = pq.read_schema(tmp_path / "r" / "000001.parquet")
    types = [(field.name, str(field.type).replace("large_", "")) for field in fields if field.name != "comm"]
    assert [(name, kind) for name, kind in documented] == types


@pytest.mark.parametrize("name", schema.ALL_TABLES)
def test_every_column_is_documented(name: str) -> None:
    rows = re.search(rf"## {name}\.parquet:.*?\n\n(\| column .*?)\n\n", SCHEMA, re.DOTALL)
    assert rows
    documented = re.findall(r"^\| (\w+) \|", rows[1], re.MULTILINE)[1:]
    shared = schema.PAGES.names if name == "aggregates" else []
    assert [*shared, *documented] == schema.ALL_TABLES[name].names
    assert not shared or f"those of pages.parquet up to {shared[-1]}," in SCHEMA


def test_the_current_schema_version_is_documented() -> None:
    assert re.search(rf"^\| {schema.SCHEMA_VERSION} \|", SCHEMA, re.MULTILINE)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_category_is_in_the_glossary(category: str) -> None:
    assert f"\n| {category} | {CATEGORIES[category]} |\n" in GLOSSARY


@pytest.mark.parametrize("key", KEY_TABLE)
def test_every_key_is_in_the_glossary_or_the_keys_that_it_links(key: str) -> None:
    assert "(keys.md)" in GLOSSARY
    assert re.search(rf"^\| {key} \|", KEYS.read_text(), re.MULTILINE)


@pytest.mark.parametrize("term", TERMS)
def test_terms_of_page_owner_are_in_the_glossary(term: str) -> None:
    assert re.search(rf"^- \*\*[^*]*\b{term}\b", GLOSSARY, re.MULTILINE)


@pytest.mark.parametrize("code", [*NoteCode, *Reason])
def test_every_code_is_documented(code: str) -> None:
    assert re.search(rf"(?<![\w-]){code}(?![\w-])", (ROOT / "docs" / "in-ci.md").read_text())


def test_every_command_is_in_the_readme() -> None:
    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", README), name


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_guides_name_files_that_exist(name: str) -> None:
    named = set(re.findall(r"[`\s]((?:[\w-]+/)*[\w-]+\.(?:py|c|h|css|sh))\b", (ROOT / name).read_text()))
    assert len(named) > 20
    for path in named - {"spo_trace/reporters/NAME.py"}:
        # The path is given from the root, from spo_trace, or by its last parts.
        places = (ROOT / "spo_trace", ROOT / "tests")
        assert (ROOT / path).exists() or any(found for place in places for found in place.rglob(path)), path


def test_the_layers_are_those_of_the_linter() -> None:
    layers = re.findall(r"^layers =\n((?: .+\n)+)", (ROOT / ".importlinter").read_text(), re.MULTILINE)
    assert f"\n\n{layers[0]}\n" in (ROOT / "docs" / "architecture.md").read_text()


_ROWS = re.findall(
    r"^\| ([^|]+) \| `(spo-trace [^`]+)` \| (.+) \|$", (ROOT / "docs" / "questions.md").read_text(), re.M
)
_FIELD = ROOT / "fixtures" / "field"


@pytest.mark.parametrize("command", [row[1] for row in _ROWS])
def test_each_field_example_is_answered_by_one_command(command: str, tmp_path: Path) -> None:
    answer = next(row[2] for row in _ROWS if row[1] == command)
    result = shell(f"cd {_FIELD} && {command} 2>&1", tmp_path)
    assert result.returncode == 0, result.stdout
    printed = " ".join(result.stdout.replace(" ? ", " ").split())
    for part in re.findall(r"`([^`]+)`", answer):
        assert part in printed


def test_each_field_example_has_a_question() -> None:
    asked = " ".join(row[1] for row in _ROWS)
    assert {path.name for path in _FIELD.iterdir() if path.is_dir() and path.name not in asked} == set()
