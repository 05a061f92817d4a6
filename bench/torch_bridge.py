"""attnjit's C ABI on torch tensors, through ctypes: for benchmarks beside PyTorch.

A call's structs are made once, by bind(); running it again is one foreign call. Only data_ptr(), shape, stride(), dtype
and device of a tensor are used, so this module itself needs no torch.

    context = Context(device=0)
    prefill = MhaVarlen(context, head_dim_qk=192, head_dim_v=128, rope_dim=64, causal=True)
    call = prefill.bind(q=q, k_nope=k_nope, k_pe=k_pe, v=v, out=out, cu_seqlens_q=cu, cu_seqlens_k=cu,
                        max_seqlen_q=4096, max_seqlen_k=4096, softmax_scale=192 ** -0.5)
    call.run(torch.cuda.current_stream().cuda_stream)
"""

import ctypes
import os
import pathlib

ABI_VERSION = 1
NO_DEVICE = -1
_DTYPE_VALUES = {"float16": 0, "bfloat16": 1, "float8_e4m3": 2, "float32": 3, "int32": 4}
_DL_CUDA = 2
# torch dtype -> DLPack type code and bits. Code 10 is float8_e4m3fn, of DLPack 1.1.
_DL_TYPES = {
    "torch.float16": (2, 16),
    "torch.bfloat16": (4, 16),
    "torch.float8_e4m3fn": (10, 8),
    "torch.float32": (2, 32),
    "torch.int32": (0, 32),
}


class Error(RuntimeError):
    """A status of the C ABI with its text."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status


# ---- structs of dlpack.h and attnjit.h, field by field ---------------------------------------------------------------


class _DLDevice(ctypes.Structure):
    _fields_ = [("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32)]


class _DLDataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", _DLDevice),
        ("ndim", ctypes.c_int32),
        ("dtype", _DLDataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class _ContextOptions(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("device", ctypes.c_int32),
        ("compiler_exact", ctypes.c_int32),
        ("arch", ctypes.c_char_p),
        ("cache_path", ctypes.c_char_p),
        ("nvrtc_path", ctypes.c_char_p),
        ("template_dir", ctypes.c_char_p),
        ("log", ctypes.c_void_p),
        ("log_user", ctypes.c_void_p),
    ]


class AttentionConfig(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("head_dim_qk", ctypes.c_int32),
        ("head_dim_v", ctypes.c_int32),
        ("rope_dim", ctypes.c_int32),
        ("causal", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("out_dtype", ctypes.c_int32),
    ]


_TENSORS = (
    "q", "q_nope", "q_pe", "k", "k_nope", "k_pe", "v", "out", "lse", "out_scale", "cu_seqlens_q", "cu_seqlens_k",
)  # in the order of the struct


class AttentionParams(ctypes.Structure):
    _fields_ = (
        [("struct_size", ctypes.c_size_t)]
        + [(name, ctypes.POINTER(DLTensor)) for name in _TENSORS]
        + [("max_seqlen_q", ctypes.c_int32), ("max_seqlen_k", ctypes.c_int32), ("softmax_scale", ctypes.c_float)]
        + [("reserved", ctypes.c_int32)]
    )


# ---- the library -----------------------------------------------------------------------------------------------------


def library_path():
    """ATTNJIT_LIBRARY, else the libattnjit.so of the most optimised build folder of this repository."""
    if named := os.environ.get("ATTNJIT_LIBRARY"):
        return pathlib.Path(named)
    build = pathlib.Path(__file__).resolve().parent.parent / "build"
    tried = [build / preset / "lib" / "libattnjit.so" for preset in ("release", "portable", "dev", ".")]
    for path in tried:
        if path.exists():
            return path
    raise FileNotFoundError(
        "no libattnjit.so: build one (cmake --preset release && cmake --build --preset release) or name it by "
        "ATTNJIT_LIBRARY. Looked at: " + ", ".join(str(path) for path in tried)
    )


def declare(library, signatures):
    """Tells ctypes the result and the arguments of functions: {name: (result, [argument, ...])}."""
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


def _load():
    library = ctypes.CDLL(str(library_path()))
    text, handle = ctypes.c_char_p, ctypes.c_void_p
    signatures = {
        "attnjit_version": (text, []),
        "attnjit_abi_version": (ctypes.c_uint32, []),
        "attnjit_status_name": (text, [ctypes.c_int]),
        "attnjit_last_error": (text, []),
        "attnjit_context_create": (ctypes.c_int, [ctypes.POINTER(_ContextOptions), ctypes.POINTER(handle)]),
        "attnjit_context_destroy": (None, [handle]),
        "attnjit_context_arch": (text, [handle]),
        "attnjit_mha_varlen_create": (
            ctypes.c_int,
            [handle, ctypes.POINTER(AttentionConfig), ctypes.POINTER(handle)],
        ),
        "attnjit_mha_varlen_destroy": (None, [handle]),
        "attnjit_mha_varlen_run": (ctypes.c_int, [handle, ctypes.POINTER(AttentionParams), handle]),
    }
    declare(library, signatures)
    if (version := library.attnjit_abi_version()) != ABI_VERSION:
        raise RuntimeError(f"{library_path()} has ABI {version}; this bridge is written for {ABI_VERSION}")
    return library


_library = None


def load_library():
    global _library
    if _library is None:
        _library = _load()
    return _library


def check(status):
    if status != 0:
        lib = load_library()
        raise Error(lib.attnjit_status_name(status).decode(), lib.attnjit_last_error().decode())


def _bytes(text):
    return None if text is None else os.fsencode(text)


# ---- what users of this module see -----------------------------------------------------------------------------------


class Context:
    """A device, or NO_DEVICE with an arch to compile for; and a kernel cache."""

    def __init__(self, device=0, arch=None, cache_path=None, nvrtc_path=None, template_dir=None):
        options = _ContextOptions(
            struct_size=ctypes.sizeof(_ContextOptions),
            device=device,
            arch=_bytes(arch),
            cache_path=_bytes(cache_path),
            nvrtc_path=_bytes(nvrtc_path),
            template_dir=_bytes(template_dir),
        )
        self.handle = ctypes.c_void_p()
        check(load_library().attnjit_context_create(ctypes.byref(options), ctypes.byref(self.handle)))

    def __del__(self):
        if getattr(self, "handle", None):
            load_library().attnjit_context_destroy(self.handle)

    @property
    def arch(self):
        return load_library().attnjit_context_arch(self.handle).decode()


class _View:
    """A DLTensor and the arrays that it points to."""

    def __init__(self, tensor):
        rank = len(tensor.shape)
        dims = ctypes.c_int64 * max(rank, 1)
        self.tensor = tensor  # keeps the memory alive
        self.shape = dims(*tensor.shape)
        self.strides = dims(*tensor.stride())
        code, bits = _DL_TYPES[str(tensor.dtype)]
        self.dl = DLTensor(
            data=tensor.data_ptr(),
            device=_DLDevice(_DL_CUDA if tensor.device.type == "cuda" else 1, tensor.device.index or 0),
            ndim=rank,
            dtype=_DLDataType(code, bits, 1),
            shape=ctypes.cast(self.shape, ctypes.POINTER(ctypes.c_int64)),
            strides=ctypes.cast(self.strides, ctypes.POINTER(ctypes.c_int64)),
        )


def put_tensors(params, names, tensors):
    """Points the struct at tensors by the names of its fields; returns what has to live as long as the struct."""
    if unknown := set(tensors) - set(names):
        raise TypeError(f"no such tensors: {sorted(unknown)}; there are {', '.join(names)}")
    views = {name: _View(tensor) for name, tensor in tensors.items() if tensor is not None}
    for name, view in views.items():
        setattr(params, name, ctypes.pointer(view.dl))
    return views


def dtype_value(name):
    """The attnjit_dtype of a name; -1, that is the default, of None."""
    return -1 if name is None else _DTYPE_VALUES[name]


def attention_params(tensors, max_seqlen_q, max_seqlen_k, softmax_scale):
    params = AttentionParams(
        struct_size=ctypes.sizeof(AttentionParams),
        max_seqlen_q=max_seqlen_q,
        max_seqlen_k=max_seqlen_k,
        softmax_scale=softmax_scale,
    )
    return params, put_tensors(params, _TENSORS, tensors)


def attention_config(head_dim_qk, head_dim_v, rope_dim, causal, dtype, out_dtype):
    return AttentionConfig(
        struct_size=ctypes.sizeof(AttentionConfig),
        head_dim_qk=head_dim_qk,
        head_dim_v=head_dim_v,
        rope_dim=rope_dim,
        causal=int(causal),
        dtype=dtype_value(dtype),
        out_dtype=dtype_value(out_dtype),
    )


class Call:
    """An operator with its arguments bound. The tensors' contents may change between runs, the tensors may not."""

    def __init__(self, op, function, params, keep):
        self._op = op
        self._params = params
        self._keep = keep
        self._pointer = ctypes.byref(params)
        self._function = function

    def run(self, stream=0):
        """Launches on a stream, given as torch's cuda_stream number."""
        status = self._function(self._op.handle, self._pointer, stream)
        if status != 0:
            check(status)


class MhaVarlen:
    """The mha_varlen / mla_prefill operator. Making it compiles its kernels or loads them from the cache."""

    def __init__(self, context, head_dim_qk, head_dim_v, rope_dim=0, causal=True, dtype="bfloat16", out_dtype=None):
        config = attention_config(head_dim_qk, head_dim_v, rope_dim, causal, dtype, out_dtype)
        self.handle = ctypes.c_void_p()
        check(load_library().attnjit_mha_varlen_create(context.handle, ctypes.byref(config), ctypes.byref(self.handle)))

    def __del__(self):
        if getattr(self, "handle", None):
            load_library().attnjit_mha_varlen_destroy(self.handle)

    def bind(self, *, max_seqlen_q, max_seqlen_k, softmax_scale, **tensors):
        """Binds tensors by the names of attnjit_mha_varlen_params."""
        params, keep = attention_params(tensors, max_seqlen_q, max_seqlen_k, softmax_scale)
        return Call(self, load_library().attnjit_mha_varlen_run, params, keep)

    def run(self, stream=0, **arguments):
        self.bind(**arguments).run(stream)
