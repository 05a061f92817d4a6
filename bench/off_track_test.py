"""How off_track.py prints measured times. Needs no GPU and no torch."""

import contextlib
import io
import json
import sys
import types
import unittest
from unittest import mock

import off_track
from attention_cells import Cell

SPREAD = types.SimpleNamespace(spread=lambda samples: max(samples) - min(samples))  # stands in for gpu_timer


def row_of(cell, result):
    with mock.patch.dict(sys.modules, {"gpu_timer": SPREAD}):
        return off_track.make_row(cell, result)


def told(function, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        function(*arguments)
    return output.getvalue()


class Rows(unittest.TestCase):
    def row(self, cell, cudnn, refusal=None):
        result = {"ours": [100.0, 99.0, 102.0], "cudnn": cudnn, "refusal": refusal, "back_to_back": 98.0}
        return row_of(cell, result)

    def test_peer_says_which_calls(self):
        mixed = "cuDNN, one call after the other: q257s8191 full, 2q513 causal"
        self.assertEqual(off_track.peer_name(Cell("q257s8191_2q513", 16, True)), mixed)
        self.assertEqual(off_track.peer_name(Cell("q1k", 8, True)), "cuDNN, causal")
        self.assertEqual(off_track.peer_name(Cell("q1k", 8, False)), "cuDNN, full")

    def test_row(self):
        row = self.row(Cell("q4k", 32, True, 128, 128, 0, 8), [150.0, 151.0, 149.0])
        self.assertEqual((row["op"], row["heads"], row["kv_heads"]), ("mha_varlen", 32, 8))
        self.assertEqual((row["ours_us"], row["cudnn_us"], row["ratio"]), (100, 150, 1.5))
        self.assertEqual(row["tflops"], round(2 * 256 * 32 * (4096 * 4097 // 2) / 100e-6 / 1e12, 1))
        json.dumps(row)

    def test_refused_cells_are_told_and_do_not_count(self):
        rows = [
            self.row(Cell("q1k", 16, True, 256, 256, 64), None, "No available kernel."),
            self.row(Cell("q1k", 8, True), [200.0] * 3),
            self.row(Cell("q257s8191_2q513", 16, True), [98.0] * 3),
        ]
        self.assertEqual([rows[0][name] for name in ("peer", "peer_us", "cudnn_us", "ratio")], [None] * 4)
        self.assertIn("(No available kernel.)", told(off_track.print_row, rows[0]))
        self.assertIn("more work", told(off_track.print_row, rows[2]))
        text = told(off_track.print_summary, rows)
        self.assertIn("cuDNN refuses 1: q1k h16 d192+64x256 causal", text)
        self.assertIn("worst ratio 0.980 (q257s8191_2q513 h16 causal) of 2", text)
        self.assertIn("geometric mean: 1.400", text)
        self.assertIn("cuDNN refuses 1", told(off_track.print_summary, rows[:1]))
        self.assertEqual(told(off_track.print_summary, []), "")


if __name__ == "__main__":
    unittest.main()
