"""Shapes, work and peers of decode_cells.py. Needs no GPU."""

import unittest

from decode_cells import DecodeCell, all_cells, load_peers


class Work(unittest.TestCase):
    def test_pairs_are_those_of_the_definition(self):
        for s_q in range(1, 5):
            for s_k in range(s_q, 9):
                causal = sum(j <= i + s_k - s_q for i in range(s_q) for j in range(s_k))
                self.assertEqual(DecodeCell(3, 16, s_q, s_k).pairs, 3 * causal)

    def test_operations_and_bytes(self):
        cell = DecodeCell(128, 16, 1, 4096)
        self.assertEqual(cell.operations, 2 * (576 + 512) * 16 * 128 * 4096)
        self.assertEqual(cell.cache_bytes, 128 * 4096 * 1152)
        self.assertEqual(cell.bytes - cell.cache_bytes, 128 * 16 * (576 + 512) * 2)
        self.assertEqual(DecodeCell(1, 16, 1, 100, "e4m3_rows").cache_bytes, 65600)

    def test_names(self):
        self.assertEqual(DecodeCell(128, 16, 2, 4096).name, "b128 q2 s4k h16 same")
        self.assertEqual(DecodeCell(1, 8, 1, 100, "e4m3").name, "b1 q1 s100 h8 e4m3")


class Peers(unittest.TestCase):
    def test_every_shape_has_a_peer_and_none_beats_its_floor(self):
        peers = load_peers()
        self.assertEqual(len(peers), 34)
        self.assertEqual(len(all_cells()), 3 * 34)
        for shape, us in peers.items():
            self.assertGreater(us, DecodeCell(*shape).floor_us, shape)


if __name__ == "__main__":
    unittest.main()
