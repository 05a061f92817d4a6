"""Batches, work and peers of attention_cells.py. Needs no GPU."""

import unittest

from attention_cells import (
    Cell,
    Group,
    Peer,
    all_cells,
    fp8_output_cells,
    load_peers,
    off_track_cells,
    parse_batch,
    visible_pairs,
)


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

    def test_keys_of_grouped_heads_count_once_per_group(self):
        cell = Cell("q100", 64, True, 64, 64, 0, 8)
        self.assertEqual(cell.operations, 2 * (64 + 64) * 64 * 5050)
        self.assertEqual(cell.bytes, 2 * 100 * (64 * (64 + 64) + 8 * (64 + 64)))

    def test_cudnn_causal(self):
        self.assertTrue(Cell("q1k", 16, causal=True).cudnn_causal)
        self.assertFalse(Cell("q1ks4k", 16, causal=True).cudnn_causal)
        self.assertFalse(Cell("q1k", 16, causal=False).cudnn_causal)


class Groups(unittest.TestCase):
    def test_equal_sequences_that_lie_together(self):
        groups = Cell("2q2k_62q1s1k_q2k", 16, True).groups
        self.assertEqual(groups, [Group(2, 2048, 2048), Group(62, 1, 1024), Group(1, 2048, 2048)])
        self.assertEqual([group.name for group in groups], ["2q2k", "62q1s1k", "q2k"])
        self.assertEqual(Cell("q3_2q3", 16, True).groups, [Group(3, 3, 3)])

    def test_names_are_of_the_grammar(self):
        for name in ("q257s8191", "2q513", "62q1s1k", "q1ks4k"):
            (group,) = Cell(name, 16, True).groups
            self.assertEqual(group.name, name)

    def test_cudnn_is_same_where_its_mask_hides_the_same_pairs(self):
        for q in range(1, 4):
            for s in range(q, 6):
                for causal in (True, False):
                    group = Group(1, q, s)
                    theirs = visible_pairs(q, s, group.cudnn_causal(causal))
                    same = theirs == visible_pairs(q, s, causal)
                    self.assertEqual(group.cudnn_is_same(causal), same, (q, s, causal))
        self.assertTrue(Cell("2q2k_62q1s1k", 16, True).cudnn_is_same)
        self.assertFalse(Cell("2q2k_62q1s1k", 16, True).cudnn_causal)
        self.assertFalse(Cell("q257s8191_2q513", 16, True).cudnn_is_same)


class Lists(unittest.TestCase):
    def test_names_tell_cells_apart_and_choose_them(self):
        for cells in (all_cells(), fp8_output_cells(), off_track_cells()):
            self.assertEqual(len({cell.name for cell in cells}), len(cells))
            self.assertFalse(any(letter in cell.name for cell in cells for letter in ",*?["))

    def test_names(self):
        self.assertEqual(Cell("q4k", 16, True).name, "q4k h16 causal")
        self.assertEqual(Cell("q4k", 32, False, 128, 128, 0, 8).name, "q4k h32/8 d128x128 full")
        self.assertEqual(Cell("q4k", 32, True, 128, 128, 64).name, "q4k h32 d64+64x128 causal")

    def test_fp8_output(self):
        cells = fp8_output_cells()
        self.assertEqual([cell.batch for cell in cells], "q512 q1k q2k q4k q8k 2q4k 4q4k 8q4k".split())
        self.assertEqual({(cell.heads, *cell.config) for cell in cells}, {(16, 192, 128, 64, True)})

    def test_off_track(self):
        cells = off_track_cells()
        self.assertEqual(len(cells), 4 * 2 + 5 * 2 * 2 + 2 * 2)
        self.assertFalse({cell.name for cell in cells} & {cell.name for cell in all_cells()})
        mla = [cell for cell in cells if cell.config == (192, 128, 64, True)]
        self.assertEqual({cell.heads for cell in mla if cell.batch in ("q1k", "q4k")}, {8, 20, 40, 96})
        mixed = {(cell.batch, cell.heads) for cell in mla if "_" in cell.batch}
        self.assertEqual(mixed, {(batch, h) for batch in ("2q2k_62q1s1k", "q257s8191_2q513") for h in (16, 128)})
        others = {(c.dim_qk, c.dim_v, c.rope_dim, c.heads, c.key_heads, c.batch, c.causal) for c in cells} - {
            (c.dim_qk, c.dim_v, c.rope_dim, c.heads, c.key_heads, c.batch, c.causal) for c in mla
        }
        shapes = {(256, 256, 64, 16, 16), (96, 64, 32, 40, 40), (128, 128, 0, 32, 8), (64, 64, 0, 64, 8),
                  (128, 128, 64, 32, 32)}
        batches = [(batch, causal) for batch in ("q1k", "q4k") for causal in (True, False)]
        self.assertEqual(others, {(*shape, *batch) for shape in shapes for batch in batches})


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
