"""attnjit's merge_states on torch tensors: torch_bridge.py for joining attention states.

    merge = MergeStates(context, head_dim=128, out_dtype="float8_e4m3")
    merge.run(out_a=out, lse_a=lse, out_b=part, lse_b=part_lse, out=result, out_scale=scale)
"""

import ctypes

import torch_bridge as bridge

# ---- structs of attnjit.h, field by field ----------------------------------------------------------------------------


class _MergeStatesConfig(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("head_dim", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("out_dtype", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]


_TENSORS = ("out_a", "lse_a", "out_b", "lse_b", "outs", "lses", "out", "lse", "out_scale")  # in the order of the struct


class _MergeStatesParams(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t)] + [(name, ctypes.POINTER(bridge.DLTensor)) for name in _TENSORS]


# ---- the library -----------------------------------------------------------------------------------------------------

_declared = False


def _library():
    global _declared
    library = bridge.load_library()
    if not _declared:
        handle = ctypes.c_void_p
        bridge.declare(
            library,
            {
                "attnjit_merge_states_create": (
                    ctypes.c_int,
                    [handle, ctypes.POINTER(_MergeStatesConfig), ctypes.POINTER(handle)],
                ),
                "attnjit_merge_states_destroy": (None, [handle]),
                "attnjit_merge_states_run": (ctypes.c_int, [handle, ctypes.POINTER(_MergeStatesParams), handle]),
            },
        )
        _declared = True
    return library


# ---- what users of this module see -----------------------------------------------------------------------------------


class MergeStates:
    """The merge_states operator. Making it compiles its kernel or loads it from the cache."""

    def __init__(self, context, head_dim, dtype="bfloat16", out_dtype=None):
        config = _MergeStatesConfig(
            struct_size=ctypes.sizeof(_MergeStatesConfig),
            head_dim=head_dim,
            dtype=bridge.dtype_value(dtype),
            out_dtype=bridge.dtype_value(out_dtype),
        )
        self.handle = ctypes.c_void_p()
        create = _library().attnjit_merge_states_create
        bridge.check(create(context.handle, ctypes.byref(config), ctypes.byref(self.handle)))

    def __del__(self):
        if getattr(self, "handle", None):
            _library().attnjit_merge_states_destroy(self.handle)

    def bind(self, **tensors):
        """Binds tensors by the names of attnjit_merge_states_params."""
        params = _MergeStatesParams(struct_size=ctypes.sizeof(_MergeStatesParams))
        keep = bridge.put_tensors(params, _TENSORS, tensors)
        return bridge.Call(self, _library().attnjit_merge_states_run, params, keep)

    def run(self, stream=0, **tensors):
        """Launches on a stream, given as torch's cuda_stream number."""
        self.bind(**tensors).run(stream)
