"""attnjit's masked_mha and mask_from_topk on torch tensors: torch_bridge.py for the operators under a mask of keys.

    mask, tiles = (torch.empty(shape, dtype=torch.int32, device="cuda") for shape in mask_shapes(tokens, batch, longest))
    MaskFromTopk(context).run(topk_indices=indices, cu_seqlens_q=cu, seq_lens=lengths, mask=mask, mask_tiles=tiles)
    MaskedMha(context, head_dim_qk=192, head_dim_v=128).run(q=q, k=k, v=v, out=out, mask=mask, mask_tiles=tiles, ...)
"""

import ctypes

import torch_bridge as bridge

# ---- structs of attnjit.h, field by field ----------------------------------------------------------------------------

_MASK_TENSORS = ("topk_indices", "cu_seqlens_q", "seq_lens", "mask", "mask_tiles")


class _MaskFromTopkParams(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t)] + [(name, ctypes.POINTER(bridge.DLTensor)) for name in _MASK_TENSORS]


_SIGHT_TENSORS = ("topk_indices", "mask", "mask_tiles", "key_offset")


class _MaskedMhaParams(ctypes.Structure):
    _fields_ = (
        [("struct_size", ctypes.c_size_t), ("attention", ctypes.POINTER(bridge.AttentionParams))]
        + [(name, ctypes.POINTER(bridge.DLTensor)) for name in _SIGHT_TENSORS]
        + [("max_positions", ctypes.c_int64), ("workspace", ctypes.c_void_p), ("workspace_bytes", ctypes.c_size_t)]
    )


class _MaskedMhaBounds(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("tokens_q", ctypes.c_int64),
        ("batch", ctypes.c_int64),
        ("max_positions", ctypes.c_int64),
    ]


# ---- the library -----------------------------------------------------------------------------------------------------

_declared = False


def _library():
    global _declared
    library = bridge.load_library()
    if not _declared:
        handle = ctypes.c_void_p
        signatures = {
            "attnjit_mask_from_topk_create": (ctypes.c_int, [handle, ctypes.POINTER(handle)]),
            "attnjit_mask_from_topk_destroy": (None, [handle]),
            "attnjit_mask_from_topk_run": (ctypes.c_int, [handle, ctypes.POINTER(_MaskFromTopkParams), handle]),
            "attnjit_masked_mha_create": (
                ctypes.c_int,
                [handle, ctypes.POINTER(bridge.AttentionConfig), ctypes.POINTER(handle)],
            ),
            "attnjit_masked_mha_destroy": (None, [handle]),
            "attnjit_masked_mha_run": (ctypes.c_int, [handle, ctypes.POINTER(_MaskedMhaParams), handle]),
            "attnjit_masked_mha_workspace_bytes": (
                ctypes.c_int,
                [ctypes.POINTER(_MaskedMhaBounds), ctypes.POINTER(ctypes.c_size_t)],
            ),
            "attnjit_masked_mha_reserve": (ctypes.c_int, [handle, handle, ctypes.POINTER(_MaskedMhaBounds)]),
        }
        bridge.declare(library, signatures)
        _declared = True
    return library


# ---- what users of this module see -----------------------------------------------------------------------------------


class MaskFromTopk:
    """The mask_from_topk operator."""

    def __init__(self, context):
        self.handle = ctypes.c_void_p()
        bridge.check(_library().attnjit_mask_from_topk_create(context.handle, ctypes.byref(self.handle)))

    def __del__(self):
        if getattr(self, "handle", None):
            _library().attnjit_mask_from_topk_destroy(self.handle)

    def bind(self, **tensors):
        """Binds tensors by the names of attnjit_mask_from_topk_params."""
        params = _MaskFromTopkParams(struct_size=ctypes.sizeof(_MaskFromTopkParams))
        keep = bridge.put_tensors(params, _MASK_TENSORS, tensors)
        return bridge.Call(self, _library().attnjit_mask_from_topk_run, params, keep)

    def run(self, stream=0, **tensors):
        self.bind(**tensors).run(stream)


def mask_shapes(tokens_q, batch, max_seqlen):
    """Shapes of mask and mask_tiles, for requests of up to max_seqlen keys."""
    words = -(-max_seqlen // 32)
    return (tokens_q, words), (tokens_q // 64 + batch, -(-words // 64))


class MaskedMha:
    """The masked_mha operator. Making it compiles its kernels or loads them from the cache."""

    def __init__(self, context, head_dim_qk, head_dim_v, rope_dim=0, causal=True, dtype="bfloat16", out_dtype=None):
        config = bridge.attention_config(head_dim_qk, head_dim_v, rope_dim, causal, dtype, out_dtype)
        self.handle = ctypes.c_void_p()
        create = _library().attnjit_masked_mha_create
        bridge.check(create(context.handle, ctypes.byref(config), ctypes.byref(self.handle)))

    def __del__(self):
        if getattr(self, "handle", None):
            _library().attnjit_masked_mha_destroy(self.handle)

    @staticmethod
    def _bounds(tokens_q, batch, max_positions):
        return _MaskedMhaBounds(ctypes.sizeof(_MaskedMhaBounds), tokens_q, batch, max_positions)

    @staticmethod
    def workspace_bytes(tokens_q, batch, max_positions):
        size = ctypes.c_size_t()
        bounds = MaskedMha._bounds(tokens_q, batch, max_positions)
        bridge.check(_library().attnjit_masked_mha_workspace_bytes(ctypes.byref(bounds), ctypes.byref(size)))
        return size.value

    def reserve(self, stream, tokens_q, batch, max_positions):
        """Workspace for the calls with topk_indices on a stream."""
        bounds = self._bounds(tokens_q, batch, max_positions)
        bridge.check(_library().attnjit_masked_mha_reserve(self.handle, stream, ctypes.byref(bounds)))

    def bind(self, *, max_seqlen_q, max_seqlen_k, softmax_scale, max_positions=0, **tensors):
        """Binds tensors by the names of attnjit_mha_varlen_params and attnjit_masked_mha_params."""
        sight = {name: tensors.pop(name) for name in _SIGHT_TENSORS if name in tensors}
        attention, keep = bridge.attention_params(tensors, max_seqlen_q, max_seqlen_k, softmax_scale)
        params = _MaskedMhaParams(
            struct_size=ctypes.sizeof(_MaskedMhaParams), attention=ctypes.pointer(attention), max_positions=max_positions
        )
        keep = (attention, keep, bridge.put_tensors(params, _SIGHT_TENSORS, sight))
        return bridge.Call(self, _library().attnjit_masked_mha_run, params, keep)

    def run(self, stream=0, **arguments):
        self.bind(**arguments).run(stream)
