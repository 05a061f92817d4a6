"""The command line and the loop of gpu_bench.py, with a stand-in for torch. Needs no GPU."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import types
import unittest
from unittest import mock

import gpu_bench
from merge_cells import MergeCell

CELLS = [MergeCell(128, 16, 128), MergeCell(128, 16, 512), MergeCell(4096, 16, 128)]


def parse(*words):
    with mock.patch.object(sys, "argv", ["bench.py", *words]):
        return gpu_bench.parse_arguments("What it measures.")


class CommandLine(unittest.TestCase):
    def refusal(self, *words):
        told = io.StringIO()
        with contextlib.redirect_stderr(told), self.assertRaises(SystemExit):
            parse(*words)
        return told.getvalue()

    def test_rows_for_good_say_what_was_measured(self):
        self.assertIn("--commit and --nvrtc", self.refusal("--out", "rows.json", "--commit", "1"))
        self.assertEqual(parse("--out", "rows.json", "--commit", "1", "--nvrtc", "13.0").commit, "1")

    def test_a_median_takes_rounds(self):
        self.assertIn("at least 5", self.refusal("--rounds", "4"))

    def test_patterns_choose_cells(self):
        self.assertEqual(gpu_bench.chosen(CELLS, parse()), CELLS)
        self.assertEqual(gpu_bench.chosen(CELLS, parse("--cells", "t128 * d512 *, t4096 *")), CELLS[1:])
        with self.assertRaisesRegex(SystemExit, "no cell is named like 'q4k'"):
            gpu_bench.chosen(CELLS, parse("--cells", "q4k"))


class Loop(unittest.TestCase):
    def run_of(self, *words):
        """A Run without a GPU."""
        run = gpu_bench.Run.__new__(gpu_bench.Run)
        run._arguments = parse("--commit", "1", "--nvrtc", "13.0", *words)
        run._started = gpu_bench.time.monotonic()
        run.facts = {"commit": "1"}
        return run

    def rows(self, run, row_of):
        torch = types.SimpleNamespace(no_grad=contextlib.nullcontext)
        with mock.patch.dict(sys.modules, {"torch": torch}), contextlib.redirect_stdout(io.StringIO()) as told:
            return run.rows(CELLS, row_of, lambda row: None), told.getvalue()

    def test_rows_are_kept_as_they_come(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "h200" / "rows.json"

            def row_of(cell):
                if cell is CELLS[2]:
                    self.assertEqual(len(json.loads(out.read_text())), 2)
                return {"case": cell.name}

            rows, _ = self.rows(self.run_of("--out", str(out)), row_of)
            self.assertEqual(rows, [{"case": cell.name, "commit": "1"} for cell in CELLS])
            self.assertEqual(json.loads(out.read_text()), rows)
        gpu_bench.end(rows, CELLS)

    def test_no_cell_is_begun_when_the_time_is_spent(self):
        rows, told = self.rows(self.run_of("--budget-seconds", "-1"), lambda cell: {})
        self.assertEqual(rows, [])
        self.assertIn("3 cells are left, from 't128 h16 d128 n2 bf16' on", told)
        with self.assertRaises(SystemExit) as ended:
            gpu_bench.end(rows, CELLS)
        self.assertEqual(ended.exception.code, 3)


if __name__ == "__main__":
    unittest.main()
