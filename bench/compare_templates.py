#!/usr/bin/env python3
"""The prefill kernels that several folders of templates make, side by side on one GPU: for work on a kernel.

Each round times one call of each with a cold L2, in turn; every other round goes in reverse, because the first call is
up to 2 % ahead. A figure is the median over rounds of the first folder's time over another's: above 1, the other is
faster. Results are compared bit by bit. Differences below 3 % in a single short cell mean nothing: look at the means,
and run it twice.

    python3 bench/compare_templates.py --cells 'q512 *,q4k h128 *' templates /tmp/changed/templates
    python3 bench/compare_templates.py --dry-run
"""

import argparse
import dataclasses
import statistics

from attention_cells import Cell, all_cells, fp8_output_cells, geometric_mean, off_track_cells
from gpu_bench import chosen
from masked_mha import MaskedCell, all_masked_cells
from prefill_case import bounds, packed_tensors

SHORT_US = 80
SCALE = 0.01  # of e4m3 outputs


@dataclasses.dataclass(frozen=True)
class Case:
    cell: Cell
    masked: MaskedCell | None = None
    e4m3: bool = False

    @property
    def name(self):
        return self.masked.name if self.masked else self.cell.name + (" e4m3" if self.e4m3 else "")

    @property
    def kind(self):
        if self.masked:
            return "masked"
        return "e4m3" if self.e4m3 else "short" if self.cell.floor_us < SHORT_US else "long"


def all_cases():
    return (
        [Case(cell) for cell in all_cells() + off_track_cells()]
        + [Case(cell, e4m3=True) for cell in fp8_output_cells()]
        + [Case(masked.cell, masked=masked) for masked in all_masked_cells()]
    )


def alternate(time_once, calls, rounds):
    """Times of each call: one list per call, in the order of rounds."""
    times = [[] for _ in calls]
    for index in range(rounds):
        order = range(len(calls))
        for i in order if index % 2 == 0 else reversed(order):
            times[i].append(time_once(calls[i]))
    return times


def ratios(times):
    """For each: the median over rounds of the first one's time over its own."""
    return [statistics.median(first / own for first, own in zip(times[0], samples)) for samples in times]


def make_mask(torch, context, masked):
    from masked_mha import top_k
    from torch_bridge import MaskFromTopk, mask_shapes

    (q, s), = masked.cell.sequences
    mask, tiles = (torch.zeros(shape, dtype=torch.int32, device="cuda") for shape in mask_shapes(q, 1, s))
    MaskFromTopk(context).bind(
        topk_indices=top_k(torch, masked),
        cu_seqlens_q=torch.tensor([0, q], dtype=torch.int32, device="cuda"),
        seq_lens=torch.tensor([s], dtype=torch.int32, device="cuda"),
        mask=mask,
        mask_tiles=tiles,
    ).run(torch.cuda.current_stream().cuda_stream)
    return {"mask": mask, "mask_tiles": tiles}


def bind_each(torch, contexts, case):
    """A call and its output for each context, on the same inputs."""
    from torch_bridge import MaskedMha, MhaVarlen

    cell = case.cell
    packed = packed_tensors(torch, cell)
    dims = {"head_dim_qk": cell.dim_qk, "head_dim_v": cell.dim_v, "rope_dim": cell.rope_dim, "causal": cell.causal}
    if case.masked:
        packed |= make_mask(torch, contexts[0], case.masked)
    if case.e4m3:
        packed["out_scale"] = torch.tensor([SCALE], device="cuda")
        packed["out"] = packed["out"].to(torch.float8_e4m3fn)
        dims["out_dtype"] = "float8_e4m3"
    bound = []
    for context in contexts:
        operator = (MaskedMha if case.masked else MhaVarlen)(context, **dims)
        out = torch.empty_like(packed["out"])
        bound.append((operator.bind(**(packed | {"out": out}), **bounds(cell)), out))
    return bound


def measure(torch, timer, contexts, case, rounds):
    """Times of each, and which results differ from the first in any bit."""
    stream = torch.cuda.current_stream().cuda_stream
    bound = bind_each(torch, contexts, case)
    for call, _ in bound:
        call.run(stream)
    torch.cuda.synchronize()
    bytes_of = [out.view(torch.uint8) for _, out in bound]
    differs = [not torch.equal(bytes_of[0], other) for other in bytes_of]
    calls = [lambda call=call: call.run(stream) for call, _ in bound]
    alternate(timer.single_us, calls, 2)  # sets the length of the flush
    return alternate(timer.single_us, calls, rounds), differs


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("templates", nargs="*", help="two folders or more, the first one the yardstick")
    parser.add_argument("--cells", default="*", help="comma-separated patterns of names; --dry-run prints all")
    parser.add_argument("--rounds", type=int, default=25, help="timed calls of each per cell")
    parser.add_argument("--cache", help="folder of the kernel cache (default: attnjit's own)")
    parser.add_argument("--dry-run", action="store_true", help="print the cells; needs no GPU")
    arguments = parser.parse_args()
    if len(arguments.templates) < 2 and not arguments.dry_run:
        parser.error("give two folders of templates, or more")
    return arguments


def main():
    arguments = parse_arguments()
    cases = chosen(all_cases(), arguments)
    if arguments.dry_run:
        for case in cases:
            print(f"{case.kind:7} {case.name}")
        print(f"{len(cases)} cells")
        return

    import torch
    from gpu_timer import Timer
    from torch_bridge import Context

    contexts = [Context(cache_path=arguments.cache, template_dir=folder) for folder in arguments.templates]
    timer = Timer()
    of_kind = {}
    for case in cases:
        times, differs = measure(torch, timer, contexts, case, arguments.rounds)
        figures = ratios(times)
        of_kind.setdefault(case.kind, []).append(figures)
        others = "  ".join(f"{r:.3f}{' DIFFERS' if d else ''}" for r, d in list(zip(figures, differs))[1:])
        print(f"{case.name:40} {statistics.median(times[0]):9.1f} us  {others}", flush=True)
    for kind, rows in of_kind.items():
        means = "  ".join(f"{geometric_mean(column):.4f}" for column in list(zip(*rows))[1:])
        print(f"{kind}: geometric mean of {len(rows)} cells  {means}")


if __name__ == "__main__":
    main()
