"""Batches, work and peers of attention_cells.py. Needs no GPU."""

import unittest

from attention_cells import Cell, Peer, all_cells, load_peers, parse_batch, visible_pairs


class Batches(unittest.TestCase):
    def test_grammar(self):
        self.assertEqual(parse_batch("q512"), [(512, 512)])
        self.assertEqual(parse_batch("2q1k"), [(1024, 1024)] * 2)
        self.assertEqual(parse_batch("q128s1k"), [(128, 1024)])
        self.assertEqual(parse_batch("q1ks4k"), [(1024, 4096)])
        self.assertEqual(parse_batch("q3_2q1ks8k"), [(3, 3), (1024, 8192), (1024, 8192)])

    def test_grammar_errors(self):
        for text in ("", "512", "q", "qk", "q1k_", "s1k"):
            with self.assertRaises(ValueError, msg=text):
                parse_batch(text)


class Work(unittest.TestCase):
    def test_visible_pairs_are_those_of_the_definition(self):
        for q in range(7):
            for s in range(7):
                causal = sum(j <= i + s - q for i in range(q) for j in range(s))
                self.assertEqual(visible_pairs(q, s, True), causal, (q, s))
                self.assertEqual(visible_pairs(q, s, False), q * s)

    def test_operations_and_bytes(self):
        cell = Cell("2q1k", 16, causal=False)
        self.assertEqual(cell.operations, 2 * (192 + 128) * 16 * 2 * 1024 * 1024)
        self.assertEqual(cell.bytes, 2 * 2048 * (16 * (192 + 128 + 128 + 128) + 64))

    def test_cudnn_causal(self):
        self.assertTrue(Cell("q1k", 16, causal=True).cudnn_causal)
        self.assertFalse(Cell("q1ks4k", 16, causal=True).cudnn_causal)
        self.assertFalse(Cell("q1k", 16, causal=False).cudnn_causal)


class Peers(unittest.TestCase):
    def test_every_cell_has_peers_and_none_beats_its_floor(self):
        peers = load_peers()
        cells = all_cells()
        self.assertEqual(len(cells), 64)
        self.assertEqual(len(peers), 64)
        for cell in cells:
            peer = peers[cell.batch, cell.heads, cell.causal]
            self.assertGreater(peer.best[1], cell.floor_us, cell.name)
            self.assertEqual(peer.cudnn_is_peer, cell.causal == cell.cudnn_causal, cell.name)

    def test_best_and_ratio(self):
        short = Peer(fa3_us=48.0, cudnn_us=40.0, cudnn_is_peer=True)
        self.assertEqual(short.best, ("cuDNN", 40.0))
        self.assertEqual(short.ratio(20.0, 44.0), (2.0, "direct"))
        yardstick = Peer(fa3_us=48.0, cudnn_us=40.0, cudnn_is_peer=False)
        self.assertEqual(yardstick.best, ("FlashAttention-3", 48.0))
        long = Peer(fa3_us=1000.0, cudnn_us=1100.0, cudnn_is_peer=True)
        ratio, rule = long.ratio(1000.0, 1320.0)  # the card is 1.2x slower now than it was
        self.assertAlmostEqual(ratio, 1.2)
        self.assertEqual(rule, "relative to cuDNN")
        self.assertEqual(long.ratio(1000.0, None), (1.0, "direct"))


if __name__ == "__main__":
    unittest.main()
