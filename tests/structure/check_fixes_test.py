"""check_fixes.py finds what does not fit the tree."""

import json
import pathlib
import tempfile
import unittest

from check_fixes import check, fault_rows, names_a_test, read_fixes

DOCUMENT = """
## The cache under fire

| fault | rule | tests |
|---|---|---|
| a pipe | refused | `A.B` |
| a link | refused | `A.*` |

| pages | median |
|---|---|
| 4 KiB | 1 ms |

## Other

| fault | rule |
|---|---|
| of no concern | |
"""


class Rows(unittest.TestCase):
    def test_are_those_of_the_tables_of_faults(self):
        self.assertEqual(fault_rows(DOCUMENT), ["a pipe", "a link"])


class Patterns(unittest.TestCase):
    def test_name_tests_with_and_without_a_parameter(self):
        for pattern in ("A.B", "A.*", "*A.B", "Rows/A.B/row_*", "A.B/0"):
            self.assertTrue(names_a_test(pattern, {"A.B"}), pattern)
        for pattern in ("A.C", "B.B", "Rows/A.C/row_*"):
            self.assertFalse(names_a_test(pattern, {"A.B"}), pattern)


class Tree(unittest.TestCase):
    GOOD = {"id": "pipe", "row": "a pipe", "file": "cache/x.cpp", "from": ["if (pipe)", "  refuse();"], "to": "",
            "tests": {"x_tests": "A.B"}}
    WHY_NOT = {"row": "a link", "why_not": "nothing refuses it"}

    def found(self, *entries, text="if (pipe)\n  refuse();\n"):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name in ("docs", "cache", "tests/fixes"):
                (root / name).mkdir(parents=True)
            (root / "docs/testing.md").write_text(DOCUMENT)
            (root / "cache/x.cpp").write_text(text)
            (root / "tests/x_test.cpp").write_text("TEST(A, B) {}\n")
            (root / "tests/CMakeLists.txt").write_text("attnjit_test(x_tests x_test.cpp)\n")
            (root / "tests/fixes/x.json").write_text(json.dumps(entries))
            self.assertEqual(len(read_fixes(root)), len(entries))
            return check(root)

    def test_that_fits(self):
        self.assertEqual(self.found(self.GOOD, self.WHY_NOT), [])

    def test_each_kind(self):
        kinds = [
            ("occurs 0 times", {"from": "gone"}), ("occurs 2 times", {"from": "f"}), ("changes nothing", {"to": self.GOOD["from"]}),
            ("no file", {"file": "cache/y.cpp"}), ("no test A.C", {"tests": {"x_tests": "A.B:A.C"}}),
            ("no test program y_tests", {"tests": {"y_tests": "A.B"}}), ("names no test", {"tests": {}}),
            ("no row of faults: a door", {"row": "a door"}),
        ]
        for words, change in kinds:
            self.assertIn(words, " ".join(self.found({**self.GOOD, **change}, self.WHY_NOT)), words)
        self.assertIn("of the row: a link", self.found(self.GOOD)[0])
        self.assertIn("id of 2 fixes", self.found(self.GOOD, self.GOOD, self.WHY_NOT)[0])
        self.assertIn("has ['file', 'from', 'row', 'tests', 'to']",
                      self.found({k: v for k, v in self.GOOD.items() if k != "id"}, self.WHY_NOT)[0])


if __name__ == "__main__":
    unittest.main()
