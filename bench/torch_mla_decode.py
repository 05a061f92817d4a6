"""mla_decode of attnjit's C ABI on torch tensors, beside torch_bridge.py.

    decode = MlaDecode(context, kv_lora_rank=512, rope_dim=64, page_size=64)
    workspace = torch.empty(decode.workspace_bytes(batch=128, max_seqlen_q=1, num_heads=16), dtype=torch.uint8, device="cuda")
    call = decode.bind(q=q, cache=cache, block_table=table, seq_lens=lens, out=out, lse=lse, workspace=workspace,
                       softmax_scale=192 ** -0.5)
    call.run(torch.cuda.current_stream().cuda_stream)
"""

import ctypes

import torch_bridge
from torch_bridge import DLTensor

CACHE_FORMATS = {"same": 0, "e4m3": 1, "e4m3_rows": 2}


class _Config(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kv_lora_rank", ctypes.c_int32),
        ("rope_dim", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("cache_format", ctypes.c_int32),
        ("page_size", ctypes.c_int32),
        ("causal", ctypes.c_int32),
        ("out_dtype", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


_TENSORS = (
    "q", "q_nope", "q_pe", "cache", "latent", "rope", "cache_scale", "block_table", "kv_indptr", "kv_indices",
    "seq_lens", "cu_seqlens_q", "total_seq_lens", "out", "lse", "out_scale",
)  # in the order of the struct


class _Params(ctypes.Structure):
    _fields_ = (
        [("struct_size", ctypes.c_size_t)]
        + [(name, ctypes.POINTER(DLTensor)) for name in _TENSORS]
        + [("workspace", ctypes.c_void_p), ("workspace_bytes", ctypes.c_size_t)]
        + [("max_seqlen_q", ctypes.c_int32), ("cp_rank", ctypes.c_int32), ("cp_world", ctypes.c_int32)]
        + [("softmax_scale", ctypes.c_float)]
    )


def _library():
    library = torch_bridge.load_library()
    if getattr(library, "_has_mla_decode", False):
        return library
    handle, pointer = ctypes.c_void_p, ctypes.POINTER
    signatures = {
        "create": (ctypes.c_int, [handle, pointer(_Config), pointer(handle)]),
        "destroy": (None, [handle]),
        "workspace_bytes": (ctypes.c_int, [handle] + [ctypes.c_int32] * 3 + [pointer(ctypes.c_size_t)]),
        "reserve": (ctypes.c_int, [handle, handle] + [ctypes.c_int32] * 3),
        "run": (ctypes.c_int, [handle, pointer(_Params), handle]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, "attnjit_mla_decode_" + name)
        function.restype, function.argtypes = result, arguments
    library._has_mla_decode = True
    return library


class DecodeCall:
    """An operator with its arguments bound. The tensors' contents may change between runs, the tensors may not."""

    def __init__(self, op, tensors, workspace, numbers):
        unknown = set(tensors) - set(_TENSORS)
        if unknown:
            raise TypeError(f"no such tensors: {sorted(unknown)}; there are {', '.join(_TENSORS)}")
        self._op = op
        self._workspace = workspace
        self._views = {name: torch_bridge._View(tensor) for name, tensor in tensors.items() if tensor is not None}
        self._params = _Params(struct_size=ctypes.sizeof(_Params), **numbers)
        if workspace is not None:
            self._params.workspace = workspace.data_ptr()
            self._params.workspace_bytes = workspace.numel() * workspace.element_size()
        for name, view in self._views.items():
            setattr(self._params, name, ctypes.pointer(view.dl))
        self._pointer = ctypes.byref(self._params)
        self._function = _library().attnjit_mla_decode_run

    def run(self, stream=0):
        """Launches on a stream, given as torch's cuda_stream number."""
        status = self._function(self._op.handle, self._pointer, stream)
        if status != 0:
            torch_bridge.check(status)


class MlaDecode:
    """The mla_decode operator. Making it compiles its kernels or loads them from the cache."""

    def __init__(self, context, kv_lora_rank, rope_dim, page_size=64, cache_format="same", causal=True,
                 dtype="bfloat16", out_dtype=None):
        values = torch_bridge._DTYPE_VALUES
        config = _Config(
            struct_size=ctypes.sizeof(_Config),
            kv_lora_rank=kv_lora_rank,
            rope_dim=rope_dim,
            dtype=values[dtype],
            cache_format=CACHE_FORMATS[cache_format],
            page_size=page_size,
            causal=int(causal),
            out_dtype=-1 if out_dtype is None else values[out_dtype],
        )
        self.handle = ctypes.c_void_p()
        create = _library().attnjit_mla_decode_create
        torch_bridge.check(create(context.handle, ctypes.byref(config), ctypes.byref(self.handle)))

    def __del__(self):
        if getattr(self, "handle", None):
            _library().attnjit_mla_decode_destroy(self.handle)

    def workspace_bytes(self, batch, max_seqlen_q, num_heads):
        size = ctypes.c_size_t()
        function = _library().attnjit_mla_decode_workspace_bytes
        torch_bridge.check(function(self.handle, batch, max_seqlen_q, num_heads, ctypes.byref(size)))
        return size.value

    def reserve(self, stream, batch, max_seqlen_q, num_heads):
        """Makes the workspace of a stream's calls; bind() then needs none."""
        torch_bridge.check(
            _library().attnjit_mla_decode_reserve(self.handle, stream, batch, max_seqlen_q, num_heads)
        )

    def bind(self, *, softmax_scale, workspace=None, max_seqlen_q=-1, cp_rank=0, cp_world=1, **tensors):
        """Binds tensors by the names of attnjit_mla_decode_params; the workspace is a tensor of bytes."""
        numbers = dict(softmax_scale=softmax_scale, max_seqlen_q=max_seqlen_q, cp_rank=cp_rank, cp_world=cp_world)
        return DecodeCall(self, tensors, workspace, numbers)

    def run(self, stream=0, **arguments):
        self.bind(**arguments).run(stream)
