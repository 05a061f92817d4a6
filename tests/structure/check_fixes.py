#!/usr/bin/env python3
"""Holds the list of fixes that scripts/revert_fixes takes back, tests/fixes/*.json, against the tree.

    check_fixes.py ROOT

Each file of tests/fixes is a list of entries:

    id     a short name, unique
    row    the first column of the fault's row in docs/testing.md
    file   the file that is edited
    from   text that occurs in it exactly once; a list is joined by line ends
    to     what takes the fix back when it stands in its place
    tests  {program: filter of GoogleTest}: the tests that are expected to fail then
    repeat  optional: how often they are run, where it takes luck to meet the fault

or of {"row": ..., "why_not": ...}, for a row whose rule no edit takes back. Every row of the tables of faults in
docs/testing.md has an entry of either kind, so that the list cannot fall behind.
"""

import collections
import fnmatch
import json
import pathlib
import re
import sys

# Headings of docs/testing.md whose tables have the columns fault, (rule,) tests.
TABLES = ["Bad input", "The cache under fire", "The host's process", "Streams, graphs and threads"]
KEYS = {"id", "row", "file", "from", "to", "tests"}


def joined(text):
    return text if isinstance(text, str) else "\n".join(text)


def read_fixes(root):
    """The entries of both kinds, each with the file that lists it."""
    entries = []
    for listing in sorted((root / "tests/fixes").glob("*.json")):
        for entry in json.loads(listing.read_text()):
            if "file" in entry:
                entry["from"], entry["to"] = joined(entry.get("from", "")), joined(entry.get("to", ""))
            entries.append({**entry, "listing": listing.name})
    return entries


def fault_rows(document):
    """The first column of every row of the tables of faults below TABLES."""
    rows, section, table = [], "", ""
    for line in document.splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ")
        cells = line.split(" | ")[0][2:].strip() if line.startswith("| ") else ""
        if cells and table:
            if table == "fault" and section in TABLES:
                rows.append(cells)
        elif not line.startswith("|-"):
            table = cells
    return rows


def known_tests(root):
    """SUITE.NAME of every GoogleTest, those with a parameter as GoogleTest names them, but for what stands around."""
    tests = set()
    for source in (root / "tests").rglob("*.cpp"):
        for suite, name in re.findall(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", source.read_text()):
            tests.add(f"{suite}.{name}")
    return tests


def known_programs(root):
    text = "\n".join(listing.read_text() for listing in (root / "tests").rglob("CMakeLists.txt"))
    return set(re.findall(r"(?:attnjit_test|attnjit_storm_test|bad_input_test|add_executable)\(\s*(\w+)", text))


def names_a_test(pattern, tests):
    """Of a filter's pattern; `Instance/Suite.Name/0` is Suite.Name."""
    plain = re.sub(r"/[^/.:]*$", "", pattern)
    plain = plain.split("/", 1)[1] if "/" in plain.split(".")[0] else plain
    return any(fnmatch.fnmatchcase(test, plain) for test in tests)


def faults_of_edit(root, entry, tests, programs):
    name = f"{entry['listing']}: {entry.get('id', entry)}"
    if set(entry) - {"repeat"} != KEYS | {"listing"}:
        return [f"{name}: has {sorted(set(entry) - {'listing'})}, not {sorted(KEYS)}"]
    path = root / entry["file"]
    if not path.is_file():
        return [f"{name}: there is no file {entry['file']}"]
    found = []
    count = path.read_text().count(entry["from"]) if entry["from"] else 0
    if count != 1:
        found.append(f"{name}: its text occurs {count} times in {entry['file']}, not once")
    if entry["from"] == entry["to"]:
        found.append(f"{name}: changes nothing")
    if not entry["tests"]:
        found.append(f"{name}: names no test")
    for program, patterns in entry["tests"].items():
        if program not in programs:
            found.append(f"{name}: there is no test program {program}")
        found += [f"{name}: there is no test {p}" for p in patterns.split(":") if not names_a_test(p, tests)]
    return found


def check(root):
    entries = read_fixes(root)
    rows = fault_rows((root / "docs/testing.md").read_text())
    tests, programs = known_tests(root), known_programs(root)
    found = []
    for entry in entries:
        if entry.get("row") not in rows:
            found.append(f"{entry['listing']}: docs/testing.md has no row of faults: {entry.get('row')}")
        if "why_not" not in entry:
            found += faults_of_edit(root, entry, tests, programs)
    ids = collections.Counter(entry["id"] for entry in entries if "id" in entry)
    found += [f"{name} is the id of {count} fixes" for name, count in ids.items() if count > 1]
    listed = {entry.get("row") for entry in entries}
    found += [f"docs/testing.md: no fix in tests/fixes is of the row: {row}" for row in rows if row not in listed]
    return found


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    found = check(pathlib.Path(sys.argv[1]))
    for line in found:
        print(line)
    print(f"{len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
