"""How compare_templates.py evaluates times. Needs no GPU and no torch."""

import types
import unittest

from compare_templates import all_cases, alternate, chosen, ratios


class Times(unittest.TestCase):
    def test_every_other_round_goes_in_reverse(self):
        order = []

        def time_once(call):
            order.append(call)
            return len(order)

        times = alternate(time_once, ["a", "b", "c"], 3)
        self.assertEqual("".join(order), "abccbaabc")
        self.assertEqual(times, [[1, 6, 7], [2, 5, 8], [3, 4, 9]])

    def test_ratios_are_of_pairs(self):
        # One round was slow for both, which must not affect any figure.
        self.assertEqual(ratios([[10.0, 30.0, 10.0], [8.0, 24.0, 8.0]]), [1.0, 1.25])


class Cases(unittest.TestCase):
    def test_names_are_unique(self):
        names = [case.name for case in all_cases()]
        self.assertEqual(len(names), len(set(names)))

    def test_kinds(self):
        kinds = {case.name: case.kind for case in all_cases()}
        self.assertEqual(kinds["q512 h16 causal"], "short")
        self.assertEqual(kinds["q8k h128 full"], "long")
        self.assertEqual(kinds["q4k h16 causal e4m3"], "e4m3")
        self.assertEqual(kinds["q2k h128 causal topk 2048"], "masked")

    def test_names_are_what_cells_are_chosen_by(self):
        arguments = types.SimpleNamespace(cells="q512 h16 *, q4k h16 causal e4m3")
        named = [case.name for case in chosen(all_cases(), arguments)]
        self.assertEqual(named, ["q512 h16 causal", "q512 h16 full", "q512 h16 causal e4m3", "q4k h16 causal e4m3"])


if __name__ == "__main__":
    unittest.main()
