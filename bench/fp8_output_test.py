"""How fp8_output.py judges and prints measured times. Needs no GPU and no torch."""

import contextlib
import io
import json
import sys
import types
import unittest
from unittest import mock

import fp8_output
from attention_cells import Cell

SPREAD = types.SimpleNamespace(spread=lambda samples: max(samples) - min(samples))  # stands in for gpu_timer


def row_of(cell, result):
    with mock.patch.dict(sys.modules, {"gpu_timer": SPREAD}):
        return fp8_output.make_row(cell, result)


def told(function, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        function(*arguments)
    return output.getvalue()


class Figures(unittest.TestCase):
    def test_bytes_are_those_of_both_tensors(self):
        self.assertEqual(fp8_output.quantise_bytes(Cell("2q4k", 16, True)), 2 * 4096 * 16 * 128 * (2 + 1))

    def test_saved_is_a_share_of_the_quantise_kernel(self):
        self.assertEqual(fp8_output.figures(1e6, 100.0, 100.0, 10.0)["saved"], 1.0)
        self.assertEqual(fp8_output.figures(1e6, 105.0, 100.0, 10.0)["saved"], 0.5)
        self.assertEqual(fp8_output.figures(1e6, 99.0, 100.0, 10.0)["saved"], 1.1)
        self.assertEqual(fp8_output.figures(1e6, 120.0, 100.0, 10.0)["saved"], -1.0)

    def test_both_goals_have_to_be_reached(self):
        self.assertTrue(fp8_output.figures(1e6, 101.0, 100.0, 20.0)["reached"])
        self.assertFalse(fp8_output.figures(1e6, 103.0, 100.0, 200.0)["reached"])  # slower, though much is saved
        self.assertFalse(fp8_output.figures(1e6, 101.0, 100.0, 5.0)["reached"])  # not slower, but little is saved

    def test_rate_is_judged_on_large_tensors_only(self):
        at_80_percent = 100e6 / (0.8 * 4.28e6)
        large = fp8_output.figures(100e6, 1.0, 1.0, at_80_percent * 0.999)
        self.assertEqual((large["quantise_fast_enough"], large["quantise_gbps"]), (True, 3427.4))
        self.assertIs(fp8_output.figures(100e6, 1.0, 1.0, at_80_percent * 1.01)["quantise_fast_enough"], False)
        self.assertIsNone(fp8_output.figures(50e6, 1.0, 1.0, 1000.0)["quantise_fast_enough"])


class Rows(unittest.TestCase):
    def result(self, **changes):
        times = {"fused": 520.0, "bf16": 515.0, "quantise": 20.0, "pair": 537.0, "torch": 200.0, "cudnn": 600.0}
        return {name: [us, us - 1, us + 3] for name, us in (times | changes).items()} | {"back_to_back": 510.0}

    def test_row_has_medians(self):
        row = row_of(Cell("4q4k", 16, True), self.result())
        self.assertEqual((row["ours_us"], row["bf16_us"], row["peer_us"], row["quantise_us"]), (520, 515, 515, 20))
        self.assertEqual((row["pair_us"], row["torch_quantise_us"], row["cudnn_us"]), (537, 200, 600))
        self.assertEqual((row["ratio"], row["saved"], row["gain"]), (0.9904, 0.75, 1.0327))
        json.dumps(row)

    def test_row_without_cudnn(self):
        result = self.result()
        del result["cudnn"]
        self.assertIsNone(row_of(Cell("q512", 16, True), result)["cudnn_us"])

    def test_summary_names_the_worst_and_what_is_no_measure(self):
        rows = [
            row_of(Cell("q1k", 16, True), self.result(fused=515.0)),
            row_of(Cell("4q4k", 16, True), self.result(fused=530.0, quantise=40.0)),
        ]
        for row in rows:
            self.assertIn(row["case"], told(fp8_output.print_row, row))
        text = told(fp8_output.print_summary, rows)
        self.assertIn("worst 0.972 (4q4k h16 causal), geometric mean 0.986", text)
        self.assertIn("worst 62.5% (4q4k h16 causal), mean 81.2%", text)
        self.assertIn("1 of 2 cells", text)
        self.assertIn("4q4k h16 causal: the quantise kernel is below 80% of a copy", text)
        self.assertNotIn("q1k h16 causal: the quantise kernel", text)
        self.assertEqual(told(fp8_output.print_summary, []), "")


if __name__ == "__main__":
    unittest.main()
