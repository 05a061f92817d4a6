"""A cell of a prefill benchmark on the GPU: its tensors, cuDNN on the same numbers, result checks, and times of both.

attnjit gets the packed batch with separate k_nope and k_pe (or k, if the cell has no rope part), cuDNN the same numbers
as dense [B, H, S, D].
"""

import itertools
import statistics


def packed_tensors(torch, cell):
    """The batch in attnjit's layout: the tokens of all sequences packed, k_pe shared by the heads."""
    q_lens = [q for q, _ in cell.sequences]
    k_lens = [s for _, s in cell.sequences]
    options = {"device": "cuda", "dtype": torch.bfloat16}

    def starts(lengths):
        return torch.tensor([0] + lengths, device="cuda").cumsum(0).to(torch.int32)

    k_nope = torch.randn(sum(k_lens), cell.key_heads, cell.dim_qk - cell.rope_dim, **options)
    if cell.rope_dim:
        keys = {"k_nope": k_nope, "k_pe": torch.randn(sum(k_lens), cell.rope_dim, **options)}
    else:
        keys = {"k": k_nope}
    return keys | {
        "q": torch.randn(sum(q_lens), cell.heads, cell.dim_qk, **options),
        "v": torch.randn(sum(k_lens), cell.key_heads, cell.dim_v, **options),
        "out": torch.full((sum(q_lens), cell.heads, cell.dim_v), float("nan"), **options),
        "cu_seqlens_q": starts(q_lens),
        "cu_seqlens_k": starts(k_lens),
    }


def bounds(cell):
    """The arguments of a call other than its tensors."""
    return {
        "max_seqlen_q": max(q for q, _ in cell.sequences),
        "max_seqlen_k": max(s for _, s in cell.sequences),
        "softmax_scale": cell.softmax_scale,
    }


# ---- cuDNN -----------------------------------------------------------------------------------------------------------


def only_cudnn(torch):
    """Context manager: PyTorch's attention uses cuDNN or fails."""
    return torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.CUDNN_ATTENTION)


class Cudnn:
    """cuDNN's attention on a packed batch. cuDNN does not support batches of uneven lengths, so each group is one call,
    and the calls run one after the other. Create and call it inside only_cudnn().
    """

    def __init__(self, torch, cell, packed):
        self._torch = torch
        self._calls = []
        first_q = first_k = 0
        for group in cell.groups:
            end_q, end_k = first_q + group.count * group.q, first_k + group.count * group.s
            self._calls.append(self._call(cell, group, packed, slice(first_q, end_q), slice(first_k, end_k)))
            first_q, first_k = end_q, end_k

    def _call(self, cell, group, packed, rows_q, rows_k):
        torch = self._torch

        def dense(tensor):
            return tensor.view(group.count, -1, *tensor.shape[1:]).transpose(1, 2).contiguous()

        if cell.rope_dim:
            k_pe = packed["k_pe"][rows_k, None].expand(-1, cell.key_heads, -1)
            k = dense(torch.cat([packed["k_nope"][rows_k], k_pe], dim=-1))
        else:
            k = dense(packed["k"][rows_k])
        q, v = dense(packed["q"][rows_q]), dense(packed["v"][rows_k])
        attention = torch.nn.functional.scaled_dot_product_attention
        options = {"is_causal": group.cudnn_causal(cell.causal), "scale": cell.softmax_scale}
        if cell.key_heads != cell.heads:
            options["enable_gqa"] = True
        return lambda: attention(q, k, v, **options)

    def __call__(self):
        for call in self._calls:
            call()

    def packed(self):
        """The result in attnjit's layout: [T, H, dim_v]."""
        return self._torch.cat([call().transpose(1, 2).flatten(0, 1) for call in self._calls])

    def refusal(self):
        """Why cuDNN refuses the cell; None if it does not."""
        try:
            self()
            self._torch.cuda.synchronize()
        except self._torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # what PyTorch raises for "no such kernel"; it has no class of its own
            return str(error).splitlines()[0]
        return None


# ---- checks: benchmarking a wrong result is pointless ----------------------------------------------------------------


def check_finite(torch, name, out):
    if not bool(torch.isfinite(out).all()):
        raise RuntimeError(f"{name}: the output has elements that are not finite, or were not written")


def check_rows(torch, name, cell, packed, keys_of=None):
    """Some rows of some heads of some sequences against plain float32 attention.

    keys_of(row): with a mask, the positions of the keys visible to a row of the batch's only sequence.
    """
    starts_q = [0, *itertools.accumulate(q for q, _ in cell.sequences)]
    starts_k = [0, *itertools.accumulate(s for _, s in cell.sequences)]
    last = len(cell.sequences) - 1
    for sequence in sorted({0, last // 2, last}):
        q, s = cell.sequences[sequence]
        for row in sorted({(q - 1) * i // 8 for i in range(9)}):
            if keys_of is None:
                keys = torch.arange(s - q + row + 1 if cell.causal else s, device=packed["q"].device)
            else:
                keys = keys_of(row)
            for head in (0, cell.heads - 1):
                _check_row(torch, name, cell, packed, starts_q[sequence] + row, starts_k[sequence] + keys, head)


def _check_row(torch, name, cell, packed, row, keys, head):
    key_head = head // (cell.heads // cell.key_heads)
    if cell.rope_dim:
        k = torch.cat([packed["k_nope"][keys, key_head], packed["k_pe"][keys]], dim=-1).float()
    else:
        k = packed["k"][keys, key_head].float()
    weights = torch.softmax(k @ packed["q"][row, head].float() * cell.softmax_scale, dim=0)
    wanted = weights @ packed["v"][keys, key_head].float()
    if not (error := (wanted - packed["out"][row, head].float()).abs().max().item()) <= 0.02:
        raise RuntimeError(f"{name}: row {row} of head {head} is wrong by {error:.3f}")


def check_against_cudnn(torch, cell, packed, cudnn):
    """If cuDNN computes the same function, bf16 results must agree."""
    if not cell.cudnn_is_same:
        return
    theirs = cudnn.packed().float()
    error = (packed["out"].float() - theirs).abs() - 0.02 * theirs.abs()
    if not (worst := error.max().item()) <= 0.02:
        raise RuntimeError(f"{cell.name}: differs from cuDNN's result by {worst:.3f} more than 2 %")


# ---- times -----------------------------------------------------------------------------------------------------------


def warm_up(torch, timer, calls):
    """Call before timing: choosing a kernel, loading it and the allocator's first blocks stall the queue."""
    from gpu_timer import alternate

    for call in calls * 2:
        call()
        torch.cuda.synchronize()
    alternate(timer, calls, 2)  # sets the length of the flush


def measure_beside_cudnn(torch, timer, operator, cell, rounds):
    """{"ours": [us], "cudnn": [us] or None, "refusal": why cuDNN refused or None, "back_to_back": us}."""
    from gpu_timer import alternate

    packed = packed_tensors(torch, cell)
    call = operator.bind(**packed, **bounds(cell))
    stream = torch.cuda.current_stream().cuda_stream

    def ours():
        call.run(stream)

    ours()
    torch.cuda.synchronize()
    check_finite(torch, cell.name, packed["out"])
    check_rows(torch, cell.name, cell, packed)
    cudnn = Cudnn(torch, cell, packed)
    refusal = cudnn.refusal()
    if refusal is None:
        check_against_cudnn(torch, cell, packed, cudnn)
    calls = [ours] if refusal else [ours, cudnn]
    warm_up(torch, timer, calls)
    times = alternate(timer, calls, rounds)
    return {
        "ours": times[0],
        "cudnn": None if refusal else times[1],
        "refusal": refusal,
        "back_to_back": timer.back_to_back_us(ours, statistics.median(times[0])),
    }
