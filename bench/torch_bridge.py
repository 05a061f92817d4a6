"""attnjit's C ABI on torch tensors, through ctypes: for benchmarks beside PyTorch.

The structs are built from the library's own description (attnjit_abi_json), so every operator takes the names of
attnjit.h: the config's fields at construction, a call's tensors and numbers at run time.

bind() builds a call's structs once; running it again is one foreign call. Only data_ptr(), shape, stride(), dtype and
device of a tensor are used, so this module itself does not need torch.

    context = Context(device=0)
    prefill = MhaVarlen(context, head_dim_qk=192, head_dim_v=128, rope_dim=64, causal=True)
    call = prefill.bind(q=q, k_nope=k_nope, k_pe=k_pe, v=v, out=out, cu_seqlens_q=cu, cu_seqlens_k=cu,
                        max_seqlen_q=4096, max_seqlen_k=4096, softmax_scale=192 ** -0.5)
    call.run(torch.cuda.current_stream().cuda_stream)
"""

import ctypes
import functools
import json
import os
import pathlib

ABI_VERSION = 1
NO_DEVICE = -1
_DL_CUDA = 2
# torch's names of dtypes that attnjit calls differently.
_TORCH_NAMES = {"torch.float8_e4m3fn": "float8_e4m3"}


class Error(RuntimeError):
    """A C ABI status with its message."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status


# ---- dlpack.h --------------------------------------------------------------------------------------------------------


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


# ---- the library -----------------------------------------------------------------------------------------------------


def library_path():
    """ATTNJIT_LIBRARY, else the libattnjit.so of this repository's most optimized build folder."""
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


@functools.cache
def load_library():
    library = ctypes.CDLL(str(library_path()))
    if (version := library.attnjit_abi_version()) != ABI_VERSION:
        raise RuntimeError(f"{library_path()} has ABI {version}; this bridge is written for {ABI_VERSION}")
    for function in ("attnjit_status_name", "attnjit_last_error", "attnjit_abi_json", "attnjit_context_arch"):
        getattr(library, function).restype = ctypes.c_char_p
    return library


@functools.cache
def abi():
    """The parsed attnjit_abi_json."""
    return json.loads(load_library().attnjit_abi_json())


def check(status):
    if status != 0:
        lib = load_library()
        raise Error(lib.attnjit_status_name(status).decode(), lib.attnjit_last_error().decode())


# ---- structs ---------------------------------------------------------------------------------------------------------

_C_TYPES = {
    "tensor": ctypes.POINTER(DLTensor),
    "text": ctypes.c_char_p,
    "pointer": ctypes.c_void_p,
    "size": ctypes.c_size_t,
    "int32": ctypes.c_int32,
    "int64": ctypes.c_int64,
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
    "bool": ctypes.c_int32,
    "dtype": ctypes.c_int32,
    "optional dtype": ctypes.c_int32,
    "cache_format": ctypes.c_int32,
}


@functools.cache
def _fields(name):
    """{field: description} of a struct of attnjit.h."""
    return {field["name"]: field for field in abi()["structs"][name]["fields"]}


@functools.cache
def _struct(name):
    """The ctypes class of a struct."""
    described = abi()["structs"][name]
    fields = [("struct_size", ctypes.c_size_t)]
    end = ctypes.sizeof(ctypes.c_size_t)
    for field in sorted(described["fields"], key=lambda field: field["offset"]):
        c_type = _C_TYPES.get(field["type"]) or ctypes.POINTER(_struct(field["type"]))
        if field["offset"] > end:
            fields.append((f"_reserved_{end}", ctypes.c_uint8 * (field["offset"] - end)))
        fields.append((field["name"], c_type))
        end = field["offset"] + ctypes.sizeof(c_type)
    if described["size"] > end:
        fields.append((f"_reserved_{end}", ctypes.c_uint8 * (described["size"] - end)))
    made = type(name, (ctypes.Structure,), {"_fields_": fields})
    assert ctypes.sizeof(made) == described["size"], name
    return made


def _new(name):
    """A struct with its defaults, like the _INIT macro of attnjit.h."""
    defaults = {field["name"]: field["default"] for field in _fields(name).values() if field["default"] is not None}
    made = _struct(name)
    return made(struct_size=ctypes.sizeof(made), **defaults)


class _View:
    """A DLTensor and the arrays it points to."""

    def __init__(self, tensor):
        rank = len(tensor.shape)
        dims = ctypes.c_int64 * max(rank, 1)
        self.tensor = tensor  # keeps the memory alive
        self.shape = dims(*tensor.shape)
        self.strides = dims(*tensor.stride())
        name = str(tensor.dtype)
        dtype = abi()["dtypes"].get(_TORCH_NAMES.get(name, name.removeprefix("torch.")))
        if dtype is None:
            raise TypeError(f"{name} is no dtype of attnjit's: {', '.join(abi()['dtypes'])}")
        self.dl = DLTensor(
            data=tensor.data_ptr(),
            device=_DLDevice(_DL_CUDA if tensor.device.type == "cuda" else 1, tensor.device.index or 0),
            ndim=rank,
            dtype=_DLDataType(dtype["dlpack_code"], dtype["bits"], 1),
            shape=ctypes.cast(self.shape, ctypes.POINTER(ctypes.c_int64)),
            strides=ctypes.cast(self.strides, ctypes.POINTER(ctypes.c_int64)),
        )


def _number(kind, value):
    """A Python value converted for a struct field."""
    if kind == "dtype":
        return abi()["dtypes"][value]["value"]
    if kind == "optional dtype":
        return -1 if value is None else abi()["dtypes"][value]["value"]
    if kind == "cache_format":
        return abi()["cache_formats"][value]
    if kind == "text":
        return None if value is None else os.fsencode(value)
    return int(value) if kind == "bool" else value


def _fill(name, given):
    """A struct filled from `given`, whose used values are removed; and the objects that must live as long."""
    struct, keep = _new(name), []
    for field in _fields(name).values():
        kind = field["type"]
        if kind in abi()["structs"]:
            inner, inner_keep = _fill(kind, given)
            setattr(struct, field["name"], ctypes.pointer(inner))
            keep += [inner, inner_keep]
        elif field["name"] not in given:
            continue
        elif kind == "tensor":
            if (tensor := given.pop(field["name"])) is not None:
                view = _View(tensor)
                setattr(struct, field["name"], ctypes.pointer(view.dl))
                keep.append(view)
        elif kind == "pointer" and field["name"] == "workspace":  # given as a tensor of bytes
            if (memory := given.pop("workspace")) is not None:
                struct.workspace, struct.workspace_bytes = memory.data_ptr(), memory.numel() * memory.element_size()
                keep.append(memory)
        else:
            setattr(struct, field["name"], _number(kind, given.pop(field["name"])))
    return struct, keep


def _by_name(name, values, named):
    """Adds the values given by position, in the order of the struct's fields, to those given by name."""
    fields = [field["name"] for field in sorted(_fields(name).values(), key=lambda field: field["offset"])]
    if len(values) > len(fields):
        raise TypeError(f"{name} has {len(fields)} fields, and {len(values)} values were given")
    by_position = dict(zip(fields, values))
    if twice := by_position.keys() & named.keys():
        raise TypeError(f"{name}: given twice: {', '.join(sorted(twice))}")
    return by_position | named


def _fill_all(name, given):
    given = dict(given)
    filled = _fill(name, given)
    if given:
        raise TypeError(f"{name} has no {', '.join(sorted(given))}; it has {', '.join(_fields(name))}")
    return filled


# ---- the public interface --------------------------------------------------------------------------------------------


class _Handle:
    _destroy = ""  # the C function

    def __init__(self):
        self.handle = ctypes.c_void_p()

    def __del__(self):
        if getattr(self, "handle", None):
            getattr(load_library(), self._destroy)(self.handle)


class Context(_Handle):
    """A device, or NO_DEVICE with an arch to compile for, and a kernel cache. Options are those of
    attnjit_context_options."""

    _destroy = "attnjit_context_destroy"

    def __init__(self, device=0, **options):
        super().__init__()
        made, _ = _fill_all("attnjit_context_options", {"device": device, **options})
        check(load_library().attnjit_context_create(ctypes.byref(made), ctypes.byref(self.handle)))

    @property
    def arch(self):
        return load_library().attnjit_context_arch(self.handle).decode()


class Call:
    """An operator with bound arguments. The contents of the tensors may change between runs, the tensors may not."""

    def __init__(self, op, function, params, keep):
        self._op = op
        self._params = params
        self._keep = keep
        self._pointer = ctypes.byref(params)
        self._function = function

    def run(self, stream=0):
        """Launches on a stream, given as torch's cuda_stream integer."""
        status = self._function(self._op.handle, self._pointer, ctypes.c_void_p(stream))
        if status != 0:
            check(status)


class _Operator(_Handle):
    """The constructor compiles the kernels or loads them from the cache. It takes the config's fields by name, or by
    position in the order of attnjit.h."""

    name = ""  # as in attnjit_<name>_create

    def __init__(self, context, *values, **config):
        super().__init__()
        self._destroy = f"attnjit_{self.name}_destroy"
        arguments = [context.handle]
        struct = abi()["operators"][self.name]["config"]
        if struct is not None:
            made, _ = _fill_all(struct, _by_name(struct, values, config))
            arguments.append(ctypes.byref(made))
        elif values or config:
            raise TypeError(f"{self.name} takes no config")
        check(self._function("create")(*arguments, ctypes.byref(self.handle)))

    def _function(self, verb):
        return getattr(load_library(), f"attnjit_{self.name}_{verb}")

    def bind(self, **arguments):
        """Binds tensors and numbers by their names in attnjit_<name>_params; a workspace is a tensor of bytes."""
        params, keep = _fill_all(abi()["operators"][self.name]["params"], arguments)
        return Call(self, self._function("run"), params, keep)

    def run(self, stream=0, **arguments):
        self.bind(**arguments).run(stream)


class MhaVarlen(_Operator):
    name = "mha_varlen"


class MaskFromTopk(_Operator):
    name = "mask_from_topk"


class MergeStates(_Operator):
    name = "merge_states"


class MaskedMha(_Operator):
    """Takes the tensors and numbers of attention and of the mask together."""

    name = "masked_mha"

    @staticmethod
    def workspace_bytes(**bounds):
        """Bounds by their names in attnjit_masked_mha_bounds."""
        made, _ = _fill_all("attnjit_masked_mha_bounds", bounds)
        size = ctypes.c_size_t()
        check(load_library().attnjit_masked_mha_workspace_bytes(ctypes.byref(made), ctypes.byref(size)))
        return size.value

    def reserve(self, stream, **bounds):
        """Allocates workspace for calls with topk_indices on a stream."""
        made, _ = _fill_all("attnjit_masked_mha_bounds", bounds)
        check(self._function("reserve")(self.handle, ctypes.c_void_p(stream), ctypes.byref(made)))


class MlaDecode(_Operator):
    name = "mla_decode"

    def workspace_bytes(self, batch, max_seqlen_q, num_heads):
        size = ctypes.c_size_t()
        check(self._function("workspace_bytes")(self.handle, batch, max_seqlen_q, num_heads, ctypes.byref(size)))
        return size.value

    def reserve(self, stream, batch, max_seqlen_q, num_heads):
        """Allocates the workspace of a stream's calls; bind() then needs none."""
        check(self._function("reserve")(self.handle, ctypes.c_void_p(stream), batch, max_seqlen_q, num_heads))


def mask_shapes(tokens_q, batch, max_seqlen):
    """Shapes of mask and mask_tiles, for requests of up to max_seqlen keys."""
    words = -(-max_seqlen // 32)
    return (tokens_q, words), (tokens_q // 64 + batch, -(-words // 64))
