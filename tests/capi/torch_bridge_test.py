"""bench/torch_bridge.py against the real library, with stand-ins for torch tensors: its structs are attnjit.h's."""

import math
import os
import sys
import types
import unittest

import torch_bridge as bridge


def tensor(dtype, *shape, strides=None, address=0x10000, device="cuda"):
    """What the bridge asks of a torch tensor. The address is never followed: the operator has no device."""
    if strides is None:
        strides = [math.prod(shape[dim + 1 :]) for dim in range(len(shape))]
    return types.SimpleNamespace(
        shape=shape,
        dtype="torch." + dtype,
        device=types.SimpleNamespace(type=device, index=0),
        stride=lambda: strides,
        data_ptr=lambda: address,
    )


class TorchBridge(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = bridge.Context(device=bridge.NO_DEVICE, arch="sm_90a", cache_path=":memory:")
        cls.op = bridge.MhaVarlen(cls.context, head_dim_qk=32, head_dim_v=16, rope_dim=16, causal=False)
        cls.op_e4m3 = bridge.MhaVarlen(cls.context, head_dim_qk=32, head_dim_v=16, out_dtype="float8_e4m3")

    def refusal(self, op=None, **changes):
        arguments = {
            "q": tensor("bfloat16", 5, 2, 32),
            "k": tensor("bfloat16", 9, 1, 32),
            "v": tensor("bfloat16", 9, 1, 16),
            "out": tensor("bfloat16", 5, 2, 16),
            "lse": tensor("float32", 5, 2, strides=[1, 5]),
            "cu_seqlens_q": tensor("int32", 3),
            "cu_seqlens_k": tensor("int32", 3),
            "max_seqlen_q": 5,
            "max_seqlen_k": 9,
            "softmax_scale": 0.125,
        } | changes
        with self.assertRaises(bridge.Error) as caught:
            (op or self.op).run(**arguments)
        self.assertEqual(caught.exception.status, "ATTNJIT_INVALID_ARGUMENT")
        return str(caught.exception)

    def test_context(self):
        self.assertEqual(self.context.arch, "sm_90a")

    def test_good_arguments_pass_every_check(self):
        self.assertIn("without a device", self.refusal())

    def test_columns_given_apart(self):
        apart = {"k": None, "k_nope": tensor("bfloat16", 9, 1, 16), "k_pe": tensor("bfloat16", 9, 16)}
        self.assertIn("without a device", self.refusal(**apart))

    def test_float8_output(self):
        out = tensor("float8_e4m3fn", 5, 2, 16)
        scale = tensor("float32")  # a scalar tensor
        self.assertIn("without a device", self.refusal(op=self.op_e4m3, out=out, out_scale=scale))
        self.assertIn("out has dtype bfloat16", self.refusal(op=self.op_e4m3, out_scale=scale))

    def test_every_field_reaches_its_own_place(self):
        wrong = tensor("int32", 1)
        for name in ("q", "k", "v", "out", "lse"):
            self.assertIn(f": {name} has dtype int32", self.refusal(**{name: wrong}))
        self.assertIn(": cu_seqlens_q has dtype float32", self.refusal(cu_seqlens_q=tensor("float32", 3)))
        self.assertIn(": cu_seqlens_k has shape [4]", self.refusal(cu_seqlens_k=tensor("int32", 4)))
        self.assertIn("max_seqlen_q is -2", self.refusal(max_seqlen_q=-2))
        self.assertIn("max_seqlen_k is -2", self.refusal(max_seqlen_k=-2))
        self.assertIn("softmax_scale is -3", self.refusal(softmax_scale=-3.0))

    def test_strides_and_pointers(self):
        self.assertIn("q has stride -32 in dim 1", self.refusal(q=tensor("bfloat16", 5, 2, 32, strides=[64, -32, 1])))
        self.assertIn("out starts at 0x10002", self.refusal(out=tensor("bfloat16", 5, 2, 16, address=0x10002)))
        self.assertIn("v: a tensor in CPU memory", self.refusal(v=tensor("bfloat16", 9, 1, 16, device="cpu")))

    def test_unknown_names(self):
        with self.assertRaises(TypeError):
            self.op.bind(query=None, max_seqlen_q=1, max_seqlen_k=1, softmax_scale=1.0)

    def test_a_config_by_position(self):
        by_position = bridge.MhaVarlen(self.context, 32, 16, 16, False, "bfloat16")
        self.assertIn("without a device", self.refusal(op=by_position))
        half = bridge.MhaVarlen(self.context, 32, 16, 0, True, "float16")
        self.assertIn("it must be float16", self.refusal(op=half))
        with self.assertRaises(bridge.Error) as caught:
            bridge.MhaVarlen(self.context, 32, 24)
        self.assertIn("head_dim_v is 24", str(caught.exception))
        with self.assertRaises(TypeError):
            bridge.MhaVarlen(self.context, 32, 16, head_dim_v=16)
        with self.assertRaises(TypeError):
            bridge.MhaVarlen(self.context, 32, 16, 0, True, "bfloat16", None, 1)

    def test_errors_of_construction(self):
        with self.assertRaises(bridge.Error) as caught:
            bridge.MhaVarlen(self.context, head_dim_qk=24, head_dim_v=16)
        self.assertEqual(caught.exception.status, "ATTNJIT_UNSUPPORTED")
        self.assertIn("head_dim_qk is 24", str(caught.exception))


class MaskedBridge(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = bridge.Context(device=bridge.NO_DEVICE, arch="sm_90a", cache_path=":memory:")
        cls.build = bridge.MaskFromTopk(cls.context)
        cls.op = bridge.MaskedMha(cls.context, head_dim_qk=32, head_dim_v=16, causal=False)

    def refusal(self, op, arguments):
        with self.assertRaises(bridge.Error) as caught:
            op.run(**arguments)
        self.assertEqual(caught.exception.status, "ATTNJIT_INVALID_ARGUMENT")
        return str(caught.exception)

    def build_refusal(self, **changes):
        mask, tiles = bridge.mask_shapes(70, 2, 100)
        arguments = {
            "topk_indices": tensor("int32", 70, 33),
            "cu_seqlens_q": tensor("int32", 3),
            "seq_lens": tensor("int32", 2),
            "mask": tensor("int32", *mask),
            "mask_tiles": tensor("int32", *tiles),
        } | changes
        return self.refusal(self.build, arguments)

    def attention_refusal(self, **changes):
        arguments = {
            "q": tensor("bfloat16", 70, 2, 32),
            "k": tensor("bfloat16", 90, 1, 32),
            "v": tensor("bfloat16", 90, 1, 16),
            "out": tensor("bfloat16", 70, 2, 16),
            "cu_seqlens_q": tensor("int32", 3),
            "cu_seqlens_k": tensor("int32", 3),
            "max_seqlen_q": 60,
            "max_seqlen_k": 80,
            "softmax_scale": 0.125,
            "mask": tensor("int32", 70, 4),
            "mask_tiles": tensor("int32", 3, 1),
        } | changes
        return self.refusal(self.op, arguments)

    def test_shapes(self):
        self.assertEqual(bridge.mask_shapes(70, 2, 100), ((70, 4), (3, 1)))
        self.assertEqual(bridge.mask_shapes(128, 1, 2049), ((128, 65), (3, 2)))

    def test_every_field_of_a_build_reaches_its_own_place(self):
        self.assertIn("without a device", self.build_refusal())
        wrong = tensor("float32", 1)
        for name in ("topk_indices", "cu_seqlens_q", "seq_lens", "mask", "mask_tiles"):
            self.assertIn(f": {name} has dtype float32", self.build_refusal(**{name: wrong}))

    def test_every_field_of_attention_reaches_its_own_place(self):
        self.assertIn("without a device", self.attention_refusal())
        wrong = tensor("float32", 1)
        for name in ("q", "mask", "mask_tiles", "key_offset"):
            self.assertIn(f": {name} has dtype float32", self.attention_refusal(**{name: wrong}))

    def test_indices_and_workspace(self):
        indices = {"mask": None, "mask_tiles": None, "topk_indices": tensor("int32", 70, 5)}
        self.assertIn("without a device", self.attention_refusal(**indices))
        offset = {"key_offset": tensor("int32", 2), "max_positions": 79}
        self.assertIn("max_positions is 79", self.attention_refusal(**indices, **offset))
        self.assertEqual(self.op.workspace_bytes(tokens_q=70, batch=2, max_positions=100), 70 * 4 * 4 + 16)
        with self.assertRaises(bridge.Error) as caught:
            self.op.reserve(0, tokens_q=70, batch=2, max_positions=100)
        self.assertIn("without a device", str(caught.exception))


if __name__ == "__main__":
    print(os.environ.get("ATTNJIT_LIBRARY", "ATTNJIT_LIBRARY is not set"), file=sys.stderr)
    unittest.main()
