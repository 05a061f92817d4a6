#!/usr/bin/env python3
"""Holds what the public headers say of threads, streams, captures and contexts against a list of tests.

    check_promises.py ROOT [--print]

Every sentence of a comment in include/attnjit that has one of WORDS must be in promises.json beside this file, as it
stands, with the tests that show it (SUITE.NAME of a GoogleTest, or FILE.py), or with the reason why it promises nothing.
--print lists the sentences.
"""

import json
import pathlib
import re
import sys

WORDS = re.compile(
    r"\bstreams?\b|captur|\bgraphs?\b|thread-safe|any thread|several threads|threads may|same time|in parallel|on this thread"
    r"|the thread that|PER_THREAD",
    re.IGNORECASE,
)
COMMENT = re.compile(r"(?:///<?|//|/\*+|^\s*\*(?!/))\s?(?P<text>.*?)(?:\*/.*)?$")


def sentences(text):
    """Of the comments of a C or C++ header, each on one line. Comments that follow each other are one text."""
    blocks, open_block, in_comment = [], [], False
    for line in text.splitlines():
        found = COMMENT.search(line) if in_comment or "//" in line or "/*" in line else None
        if found:
            open_block.append(found["text"].strip())
        elif open_block:
            blocks.append(" ".join(open_block))
            open_block = []
        if "/*" in line:
            in_comment = True
        if "*/" in line:
            in_comment = False
    blocks.append(" ".join(open_block))
    found = []
    for block in blocks:
        found += [" ".join(part.split()) for part in re.split(r"(?<=[.:;])\s+(?=[A-Z(-])", block) if part]
    return found


def promises(root):
    """{header: [sentence, ...]}"""
    result = {}
    for header in sorted((root / "include/attnjit").iterdir()):
        said = list(dict.fromkeys(filter(WORDS.search, sentences(header.read_text()))))
        if said:
            result[header.name] = said
    return result


def known_tests(root):
    tests = set()
    for source in (root / "tests").rglob("*.cpp"):
        for suite, name in re.findall(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", source.read_text()):
            tests.add(f"{suite}.{name}")
    tests |= {source.name for source in (root / "tests").rglob("*.py")}
    return tests


def faults(said, listed, tests):
    found = []
    entries = {(entry["header"], entry["sentence"]): entry for entry in listed}
    for header, header_sentences in said.items():
        for sentence in header_sentences:
            entry = entries.pop((header, sentence), None)
            if entry is None:
                found.append(f"{header}: no test is named for: {sentence}")
            elif not entry.get("tests") and not entry.get("promises_nothing"):
                found.append(f"{header}: neither tests nor a reason beside: {sentence}")
            else:
                missing = [test for test in entry.get("tests", []) if test not in tests]
                found += [f"{header}: there is no test {test}, named for: {sentence}" for test in missing]
    found += [f"{header}: is listed and no longer said: {sentence}" for header, sentence in entries]
    return found


def main():
    root = pathlib.Path(sys.argv[1])
    said = promises(root)
    if "--print" in sys.argv[2:]:
        print("\n".join(f"{header}: {sentence}" for header in said for sentence in said[header]))
        return 0
    listed = json.loads((pathlib.Path(__file__).parent / "promises.json").read_text())
    found = faults(said, listed, known_tests(root))
    print("\n".join(found) or f"{sum(map(len, said.values()))} sentences, each with its tests")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
