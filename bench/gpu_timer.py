"""Times single GPU calls with a cold L2, and back-to-back calls, with CUDA events."""

import statistics
import time

import torch

FLUSH_BYTES = 1 << 30  # several times the L2 (50 MB on Hopper)
MAX_READS = 32


class Timer:
    """Reads a large buffer before each call. This evicts what the call is about to read, and keeps the GPU busy until
    the call is queued, so that no gap separates the start event from the kernel. (Writing a buffer would leave dirty
    lines behind, and the call would pay for them.)
    """

    def __init__(self):
        self._buffer = torch.rand(FLUSH_BYTES // 4, device="cuda", dtype=torch.float32)
        self._sum = torch.empty((), device="cuda", dtype=torch.float32)
        self._reads = 1
        self._start = torch.cuda.Event(enable_timing=True)
        self._end = torch.cuda.Event(enable_timing=True)

    def single_us(self, call):
        """One call, in microseconds."""
        while True:
            for _ in range(self._reads):
                torch.sum(self._buffer, dim=0, out=self._sum)
            self._start.record()
            began = time.perf_counter()
            call()
            queued_us = (time.perf_counter() - began) * 1e6
            self._end.record()
            late = self._start.query()  # the flush ended before everything was queued: the figure includes host time
            self._end.synchronize()
            if not late:
                return self._start.elapsed_time(self._end) * 1e3
            if self._reads >= MAX_READS:
                raise RuntimeError(f"queueing a call took {queued_us:.0f} us, longer than reading {MAX_READS} GB")
            self._reads *= 2

    def back_to_back_us(self, call, about_us):
        """Mean of enough calls in a row to fill about 10 ms; the queue stays ahead of the GPU after the first flush."""
        count = max(5, min(200, int(10_000 / max(about_us, 1))))
        for _ in range(self._reads):
            torch.sum(self._buffer, dim=0, out=self._sum)
        self._start.record()
        for _ in range(count):
            call()
        self._end.record()
        self._end.synchronize()
        return self._start.elapsed_time(self._end) * 1e3 / count


def alternate(timer, calls, rounds):
    """Times each of `calls` once per round, in turn. Returns a list of microseconds for each."""
    times = [[] for _ in calls]
    for _ in range(rounds):
        for call, samples in zip(calls, times):
            samples.append(timer.single_us(call))
    return times


def spread(samples):
    """(largest - smallest) / median."""
    return (max(samples) - min(samples)) / statistics.median(samples)
