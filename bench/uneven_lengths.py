#!/usr/bin/env python3
"""Uneven lengths, eager and in a CUDA graph; and whether operators on two streams get each other's tiles.

One sequence has many keys, the others few. A launch on a stream gives tiles to CTAs as they become free; in a captured
launch CTAs take tiles in turn, because several instances of the graph may run at once. `graph_over_eager` is what that
costs. Both are timed alternately with a cold L2; the graph holds one call. `wrong` counts results of two operators of
one context, one stream each, that differ in any bit from those of each call alone.

    python3 bench/uneven_lengths.py --commit 1a2b3c4 --nvrtc 13.0 --out bench/results/h200/uneven_lengths.json
"""

import dataclasses
import statistics

from gpu_bench import Run, chosen, end, parse_arguments
from prefill_case import packed_tensors

STREAM_ROUNDS = 50


@dataclasses.dataclass(frozen=True)
class Cell:
    """`count` sequences of `q` queries: the first over `longest` keys, the others over q keys."""

    heads: int
    count: int
    q: int
    longest: int
    causal: bool = True
    dim_qk: int = 192
    dim_v: int = 128
    rope_dim: int = 64

    @property
    def name(self):
        return f"q{self.q}s{self.longest} beside {self.count - 1}q{self.q} h{self.heads}"

    @property
    def key_heads(self):
        return self.heads

    @property
    def sequences(self):
        return [(self.q, self.longest)] + [(self.q, self.q)] * (self.count - 1)


CELLS = [
    Cell(heads=16, count=341, q=64, longest=65536),
    Cell(heads=16, count=341, q=64, longest=8192),
    Cell(heads=128, count=341, q=64, longest=8192),
    Cell(heads=16, count=64, q=512, longest=4096),
    Cell(heads=16, count=8, q=4096, longest=4096),
]


def bound_call(torch, operator, tensors, cell):
    return operator.bind(
        max_seqlen_q=cell.q, max_seqlen_k=cell.longest, softmax_scale=cell.dim_qk**-0.5, **tensors
    )


def wrong_on_two_streams(torch, context, make_operator, cell):
    streams = [torch.cuda.Stream() for _ in range(2)]
    tensors = [packed_tensors(torch, cell) for _ in streams]
    calls = [bound_call(torch, make_operator(context), its, cell) for its in tensors]
    alone = []
    for call, its in zip(calls, tensors):
        call.run()
        torch.cuda.synchronize()
        alone.append(its["out"].clone())
    wrong = 0
    for _ in range(STREAM_ROUNDS):
        for its in tensors:
            its["out"].fill_(float("nan"))
        torch.cuda.synchronize()
        for call, stream in zip(calls, streams):
            call.run(stream.cuda_stream)
        torch.cuda.synchronize()
        wrong += sum(not torch.equal(its["out"], expected) for its, expected in zip(tensors, alone))
    return wrong


def measure(torch, run, cell, rounds):
    from torch_bridge import MhaVarlen

    def make_operator(context):
        return MhaVarlen(
            context, head_dim_qk=cell.dim_qk, head_dim_v=cell.dim_v, rope_dim=cell.rope_dim, causal=cell.causal
        )

    tensors = packed_tensors(torch, cell)
    call = bound_call(torch, make_operator(run.context), tensors, cell)
    call.run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call.run(torch.cuda.current_stream().cuda_stream)
    eager_us, graph_us = [], []
    sides = [(call.run, eager_us), (graph.replay, graph_us)]
    for round_number in range(rounds + 2):
        for side, samples in sides if round_number % 2 else reversed(sides):
            sample = run.timer.single_us(side)
            if round_number >= 2:  # the first two warm up
                samples.append(sample)
    eager, replayed = statistics.median(eager_us), statistics.median(graph_us)
    return {
        "op": "mla_prefill",
        "case": cell.name,
        "heads": cell.heads,
        "dims": [cell.dim_qk, cell.dim_v],
        "dtype": "bf16",
        "causal": cell.causal,
        "eager_us": round(eager, 2),
        "graph_us": round(replayed, 2),
        "graph_over_eager": round(replayed / eager, 4),
        "wrong": wrong_on_two_streams(torch, run.context, make_operator, cell),
        "of": 2 * STREAM_ROUNDS,
    }


def print_row(row):
    print(
        f"{row['case']:34} eager {row['eager_us']:9.1f} us  graph {row['graph_us']:9.1f} us  "
        f"graph/eager {row['graph_over_eager']:.3f}  wrong on two streams {row['wrong']} of {row['of']}",
        flush=True,
    )


def main():
    arguments = parse_arguments(__doc__, cells_example="'*h16'")
    cells = chosen(CELLS, arguments)
    if arguments.dry_run:
        for cell in cells:
            print(cell.name)
        return
    import torch

    run = Run(arguments)
    rows = run.rows(cells, lambda cell: measure(torch, run, cell, arguments.rounds), print_row)
    end(rows, cells)


if __name__ == "__main__":
    main()
