// The table of bad input: one row per fault, tried through both APIs. A row gives the way to make the fault and the
// words that its message must hold: what was given, what is allowed, what to do. An operator adds a file with its rows,
// and its name to all_rows().
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tests/bad_input/api.h"

namespace attnjit::bad_input {

struct Row {
  std::string name;
  Status status;
  std::vector<std::string> words;
  std::function<Outcome(Api)> attempt;
};
inline void PrintTo(const Row& row, std::ostream* stream) { *stream << row.name; }

std::vector<Row> context_rows();   // device and target
std::vector<Row> compiler_rows();  // NVRTC, templates, cubins that the driver refuses

// Config and arguments of each operator.
std::vector<Row> mha_varlen_rows();
std::vector<Row> merge_states_rows();
std::vector<Row> mla_decode_rows();
std::vector<Row> masked_mha_rows();  // and of mask_from_topk

/// All rows, as run by the test.
std::vector<Row> all_rows();

}  // namespace attnjit::bad_input
