"""The cells of the merge_states benchmark, and the bytes that each must move."""

import dataclasses
import itertools

from attention_cells import CEILING_BYTES

TOKENS = (128, 4096)
HEADS = (16, 128)
HEAD_DIMS = (128, 512)  # the columns of v; of a latent
SHARDS = 8
# States and output: context chunks joined one by one, the last time quantised; ranks that decode, all at once.
FORMS = ((2, "bf16"), (2, "e4m3"), (SHARDS, "bf16"))
OUT_BYTES = {"bf16": 2, "e4m3": 1}


@dataclasses.dataclass(frozen=True)
class MergeCell:
    tokens: int
    heads: int
    head_dim: int
    states: int = 2
    out_dtype: str = "bf16"

    @property
    def name(self):
        return f"t{self.tokens} h{self.heads} d{self.head_dim} n{self.states} {self.out_dtype}"

    @property
    def bytes(self):
        """Each state's out and lse once, and the result's: bf16 and float32."""
        rows = self.tokens * self.heads
        read = self.states * rows * (2 * self.head_dim + 4)
        return read + rows * (OUT_BYTES[self.out_dtype] * self.head_dim + 4)

    @property
    def floor_us(self):
        """As long as a copy takes that moves as many bytes."""
        return self.bytes / CEILING_BYTES * 1e6


def all_cells():
    return [
        MergeCell(tokens, heads, head_dim, states, out_dtype)
        for (states, out_dtype), head_dim, heads, tokens in itertools.product(FORMS, HEAD_DIMS, HEADS, TOKENS)
    ]
