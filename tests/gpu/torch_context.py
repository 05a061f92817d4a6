#!/usr/bin/env python3
"""attnjit inside a CUDA context that PyTorch made, on PyTorch's streams, against a float64 reference of PyTorch's own.

    tests/gpu/torch_context.py [--cache DIR] [--outside FILE]

Needs torch with a GPU and libattnjit.so (bench/torch_bridge.py finds it; ATTNJIT_LIBRARY names it). Prints one line per
check; --outside appends one JSON line for the suite's report. Exit status 0 only if every check passed.
"""

import argparse
import json
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import torch_bridge  # noqa: E402

HEADS = 8
DQK, DV, ROPE = 192, 128, 64
SCALE = DQK**-0.5


class Batch:
    """Tensors of one varlen call, as an engine has them: k_nope and v are views into one projection, k_pe is shared."""

    def __init__(self, len_q, len_k, out_dtype=torch.bfloat16):
        cuda = {"device": "cuda", "dtype": torch.bfloat16}
        self.len_q, self.len_k = len_q, len_k
        self.q = torch.empty(sum(len_q), HEADS, DQK, **cuda)
        self.kv = torch.empty(sum(len_k), HEADS, DQK - ROPE + DV, **cuda)
        self.k_pe = torch.empty(sum(len_k), ROPE, **cuda)
        self.k_nope, self.v = self.kv.split([DQK - ROPE, DV], dim=-1)
        self.out = torch.zeros(sum(len_q), HEADS, DV, device="cuda", dtype=out_dtype)
        self.lse = torch.zeros(HEADS, sum(len_q), device="cuda").t()
        self.cu_q, self.cu_k = torch.empty(0), torch.empty(0)
        self.set_lengths(len_q, len_k)

    def set_lengths(self, len_q, len_k):
        def cumulative(lengths):
            return torch.tensor([0, *lengths], device="cuda").cumsum(0).to(torch.int32)

        self.len_q, self.len_k = len_q, len_k
        if self.cu_q.numel() == 0:
            self.cu_q, self.cu_k = cumulative(len_q), cumulative(len_k)
        else:  # in place: a captured graph has their addresses
            self.cu_q.copy_(cumulative(len_q))
            self.cu_k.copy_(cumulative(len_k))

    def randomise(self, seed):
        generator = torch.Generator(device="cuda").manual_seed(seed)
        for tensor in (self.q, self.kv, self.k_pe):
            tensor.normal_(generator=generator)

    def arguments(self):
        return {
            "q": self.q, "k_nope": self.k_nope, "k_pe": self.k_pe, "v": self.v, "out": self.out, "lse": self.lse,
            "cu_seqlens_q": self.cu_q, "cu_seqlens_k": self.cu_k,
            "max_seqlen_q": self.q.shape[0], "max_seqlen_k": self.kv.shape[0], "softmax_scale": SCALE,
        }  # fmt: skip

    def attention(self, dtype):
        """Causal attention with S, softmax and P V in `dtype`; in float32 P is rounded to bf16: the yardstick."""
        outs, lses = [], []
        begin_q = begin_k = 0
        for len_q, len_k in zip(self.len_q, self.len_k):
            q = self.q[begin_q : begin_q + len_q].to(dtype).transpose(0, 1)
            pe = self.k_pe[begin_k : begin_k + len_k, None].expand(-1, HEADS, -1)
            k = torch.cat([self.k_nope[begin_k : begin_k + len_k], pe], dim=-1).to(dtype).transpose(0, 1)
            v = self.v[begin_k : begin_k + len_k].to(dtype).transpose(0, 1)
            begin_q, begin_k = begin_q + len_q, begin_k + len_k
            rows = torch.arange(len_q, device="cuda")[:, None]
            hidden = torch.arange(len_k, device="cuda")[None] > rows + len_k - len_q
            scores = (q @ k.transpose(1, 2) * SCALE).masked_fill(hidden, float("-inf"))
            p = scores.softmax(-1)
            if dtype == torch.float32:
                p = p.bfloat16().float()
            outs.append((p @ v).transpose(0, 1))
            lses.append(scores.logsumexp(-1).transpose(0, 1))
        return torch.cat(outs), torch.cat(lses)

    def errors(self):
        """Error of out, what it may be, error of lse; over the tokens of the current lengths."""
        want, want_lse = self.attention(torch.float64)
        yardstick = self.attention(torch.float32)[0].bfloat16()
        tokens = want.shape[0]
        error = (self.out[:tokens].double() - want).abs().max().item()
        allowed = 2 * (yardstick.double() - want).abs().max().item() + 1e-5
        lse_error = (self.lse[:tokens].double() - want_lse).abs().max().item()
        return error, allowed, lse_error


FAILURES = []


def check(name, batch):
    error, allowed, lse_error = batch.errors()
    passed = error <= allowed and lse_error <= 1e-3  # NaN fails
    print(f"{'ok    ' if passed else 'FAILED'} {name}: error {error:.3g}, allowed {allowed:.3g}, lse {lse_error:.3g}")
    if not passed:
        FAILURES.append(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", help="attnjit's kernel cache")
    parser.add_argument("--outside", help="file to append the result to, as a line for attnjit_gpu_tests --outside")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False

    warm = torch.ones(256, 256, device="cuda") @ torch.ones(256, 256, device="cuda")  # torch's context comes first
    assert warm[0, 0].item() == 256
    context = torch_bridge.Context(device=torch.cuda.current_device(), cache_path=options.cache)
    prefill = torch_bridge.MhaVarlen(context, DQK, DV, rope_dim=ROPE, causal=True)

    # Torch writes the inputs on the same stream just before, and nothing waits for it: the call must queue behind it.
    batch = Batch([300, 1, 64], [300, 200, 129])
    batch.randomise(1)
    prefill.run(torch.cuda.current_stream().cuda_stream, **batch.arguments())
    check("torch's current stream", batch)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        batch.randomise(2)
        prefill.run(torch.cuda.current_stream().cuda_stream, **batch.arguments())
        copied = batch.out.clone()  # torch's next operation must see the result
    torch.cuda.current_stream().wait_stream(side)
    check("a side stream of torch", batch)
    if not torch.equal(copied, batch.out):
        FAILURES.append("torch's operation behind the call")

    # A graph captured by torch and replayed with other contents and other lengths.
    call = prefill.bind(**batch.arguments())
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call.run(torch.cuda.current_stream().cuda_stream)
    for seed, len_q, len_k in ((3, [300, 1, 64], [300, 200, 129]), (4, [10, 200, 150], [10, 400, 219])):
        batch.set_lengths(len_q, len_k)
        batch.randomise(seed)
        graph.replay()
        check(f"torch's graph, lengths {len_q}", batch)

    if options.outside:
        detail = "failed: " + ", ".join(FAILURES) if FAILURES else f"torch {torch.__version__}"
        line = {"name": "torch_context", "status": "failed" if FAILURES else "passed", "detail": detail}
        with open(options.outside, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
