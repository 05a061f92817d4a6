"""mla_decode by bench/torch_bridge.py against the real library, with stand-ins for torch tensors."""

import types
import unittest

import torch_bridge as bridge
from torch_bridge_test import tensor
from torch_bridge import MlaDecode


class TorchMlaDecode(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = bridge.Context(device=bridge.NO_DEVICE, arch="sm_90a", cache_path=":memory:")
        cls.op = MlaDecode(cls.context, kv_lora_rank=256, rope_dim=32, page_size=16)
        cls.workspace = types.SimpleNamespace(data_ptr=lambda: 0x100000, numel=lambda: 1 << 26, element_size=lambda: 1)

    def refusal(self, **changes):
        arguments = {
            "q": tensor("bfloat16", 3, 1, 8, 288),
            "cache": tensor("bfloat16", 20, 16, 288),
            "block_table": tensor("int32", 3, 5),
            "seq_lens": tensor("int32", 3),
            "out": tensor("bfloat16", 3, 1, 8, 256),
            "lse": tensor("float32", 3, 1, 8),
            "workspace": self.workspace,
            "softmax_scale": 0.125,
        } | changes
        with self.assertRaises(bridge.Error) as caught:
            self.op.run(**arguments)
        self.assertEqual(caught.exception.status, "ATTNJIT_INVALID_ARGUMENT")
        return str(caught.exception)

    def test_good_arguments_pass_every_check(self):
        self.assertIn("without a device", self.refusal())

    def test_tensors_given_apart(self):
        apart = {
            "q": None,
            "q_nope": tensor("bfloat16", 3, 1, 8, 256),
            "q_pe": tensor("bfloat16", 3, 1, 8, 32),
            "cache": None,
            "latent": tensor("bfloat16", 20, 16, 256),
            "rope": tensor("bfloat16", 20, 16, 32),
            "block_table": None,
            "kv_indptr": tensor("int32", 4),
            "kv_indices": tensor("int32", 9),
            "total_seq_lens": tensor("int32", 3),
            "cp_rank": 1,
            "cp_world": 2,
        }
        self.assertIn("without a device", self.refusal(**apart))
        for name, given in apart.items():
            if isinstance(given, types.SimpleNamespace):
                wrong = tensor("float32", *given.shape)
                self.assertIn(f": {name} has dtype float32", self.refusal(**apart | {name: wrong}))

    def test_every_field_reaches_its_own_place(self):
        self.assertIn(": q has dtype int32", self.refusal(q=tensor("int32", 3, 1, 8, 288)))
        for name in ("cache", "out"):
            self.assertIn(f": {name} has dtype int32", self.refusal(**{name: tensor("int32", 1)}))
        for name in ("block_table", "seq_lens"):
            self.assertIn(f": {name} has dtype float32", self.refusal(**{name: tensor("float32", 1)}))
        self.assertIn(": lse has dtype int32", self.refusal(lse=tensor("int32", 3, 1, 8)))
        self.assertIn("cache_scale is given", self.refusal(cache_scale=tensor("float32", 1)))
        self.assertIn("out_scale is given", self.refusal(out_scale=tensor("float32", 1)))
        self.assertIn("cp_rank is 5 and cp_world 3", self.refusal(cp_rank=5, cp_world=3))
        self.assertIn("softmax_scale is -3", self.refusal(softmax_scale=-3.0))
        packed = {"q": tensor("bfloat16", 5, 8, 288), "out": tensor("bfloat16", 5, 8, 256), "lse": None}
        packed["cu_seqlens_q"] = tensor("int32", 4)
        self.assertIn("without a device", self.refusal(**packed, max_seqlen_q=2))
        self.assertIn("max_seqlen_q is -2", self.refusal(**packed, max_seqlen_q=-2))

    def test_workspace_bytes(self):
        few = self.op.workspace_bytes(batch=4, max_seqlen_q=1, num_heads=8)
        many = self.op.workspace_bytes(batch=4, max_seqlen_q=1, num_heads=128)
        self.assertGreater(few, 264 * 2 * 16 * 256 * 4)
        self.assertGreater(many, few)
        with self.assertRaises(bridge.Error):
            self.op.workspace_bytes(batch=4, max_seqlen_q=1, num_heads=0)


if __name__ == "__main__":
    unittest.main()
