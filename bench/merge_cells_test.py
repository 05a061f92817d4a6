"""Shapes and bytes of merge_cells.py. Needs no GPU."""

import unittest

from merge_cells import MergeCell, all_cells


class Work(unittest.TestCase):
    def test_bytes_are_those_of_the_tensors(self):
        two = MergeCell(4096, 16, 128)
        out, lse = 4096 * 16 * 128 * 2, 4096 * 16 * 4
        self.assertEqual(two.bytes, 3 * (out + lse))
        self.assertEqual(MergeCell(4096, 16, 128, 2, "e4m3").bytes, two.bytes - out // 2)
        self.assertEqual(MergeCell(4096, 16, 128, 8).bytes, 9 * (out + lse))

    def test_floor_is_that_of_a_copy(self):
        self.assertAlmostEqual(MergeCell(4096, 16, 128).floor_us, 3 * 4096 * 16 * 260 / 4.28e6, places=3)

    def test_names(self):
        self.assertEqual(MergeCell(128, 16, 512, 8).name, "t128 h16 d512 n8 bf16")

    def test_every_cell_once(self):
        cells = all_cells()
        self.assertEqual(len(cells), 3 * 2 * 2 * 2)
        self.assertEqual(len({cell.name for cell in cells}), len(cells))


if __name__ == "__main__":
    unittest.main()
