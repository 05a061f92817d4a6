"""merge_states by bench/torch_bridge.py against the real library, with stand-ins for torch tensors."""

import unittest

import torch_bridge as bridge
from torch_bridge_test import tensor


class TorchMerge(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = bridge.Context(device=bridge.NO_DEVICE, arch="sm_90a", cache_path=":memory:")
        cls.op = bridge.MergeStates(cls.context, head_dim=32)
        cls.op_e4m3 = bridge.MergeStates(cls.context, head_dim=32, dtype="float32", out_dtype="float8_e4m3")

    def refusal(self, op=None, **changes):
        arguments = {
            "out_a": tensor("bfloat16", 5, 2, 32),
            "lse_a": tensor("float32", 5, 2, strides=[1, 5]),
            "out_b": tensor("bfloat16", 5, 2, 32, address=0x20000),
            "lse_b": tensor("float32", 5, 2, strides=[1, 5], address=0x30000),
            "out": tensor("bfloat16", 5, 2, 32, address=0x40000),
            "lse": tensor("float32", 5, 2, address=0x50000),
        } | changes
        with self.assertRaises(bridge.Error) as caught:
            (op or self.op).run(**arguments)
        self.assertEqual(caught.exception.status, "ATTNJIT_INVALID_ARGUMENT")
        return str(caught.exception)

    def test_good_arguments_pass_every_check(self):
        self.assertIn("without a device", self.refusal())

    def test_many_states_and_float8_output(self):
        states = {name: None for name in ("out_a", "lse_a", "out_b", "lse_b")}
        states |= {"outs": tensor("float32", 3, 5, 2, 32), "lses": tensor("float32", 3, 5, 2)}
        out = tensor("float8_e4m3fn", 5, 2, 32, address=0x40000)
        self.assertIn("without a device", self.refusal(self.op_e4m3, out=out, out_scale=tensor("float32"), **states))
        self.assertIn("out_scale is not given", self.refusal(self.op_e4m3, out=out, **states))

    def test_every_field_reaches_its_own_place(self):
        wrong = tensor("int32", 1)
        for name in ("out_a", "lse_a", "out_b", "lse_b", "out", "lse"):
            self.assertIn(f": {name} has dtype int32", self.refusal(**{name: wrong}))
        self.assertIn("out_a is given", self.refusal(outs=wrong))
        self.assertIn("lses is given", self.refusal(lses=wrong))
        self.assertIn("out_scale is given", self.refusal(out_scale=wrong))

    def test_errors_of_construction(self):
        with self.assertRaises(bridge.Error) as caught:
            bridge.MergeStates(self.context, head_dim=24)
        self.assertEqual(caught.exception.status, "ATTNJIT_UNSUPPORTED")
        self.assertIn("head_dim is 24", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
