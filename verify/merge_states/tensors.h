// The tensors of one merge_states case on the device, and the expected results.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attnjit/merge_states.hpp"
#include "verify/merge_states/case.h"
#include "verify/placed_tensors.h"
#include "verify/reference/accuracy.h"
#include "verify/reference/plain_kernels.h"

namespace attnjit::gpu_tests {

/// What a call wrote, row-major, and whether it wrote in the right place. One of the first three is set, by out's type.
struct MergeOutput {
  std::vector<std::uint16_t> out_16bit;
  std::vector<std::uint8_t> out_e4m3;
  std::vector<float> out_float;
  std::vector<float> lse;   // [tokens, heads]; empty without lse
  std::string wrong_place;  // empty, or which elements were left out or written outside the outputs

  bool operator==(const MergeOutput& other) const;  // bit for bit
};

class MergeTensors {
 public:
  MergeTensors(const MergeCase& c, const reference::PlainKernels& plain);

  const MergeStatesParams& params() const { return params_; }
  /// Fills the states. Needed before each call: in-place calls overwrite them, and so does take_output().
  void fill_inputs() const;
  /// Use other random numbers from now on.
  void set_seed(std::uint64_t seed) { case_.seed = seed; }
  /// The plain kernels' result for the states' current content.
  reference::Expected expected() const;
  /// Waits for the device, reads the outputs and replaces them with poison.
  MergeOutput take_output() const;

 private:
  struct State {
    Tensor out;  // [tokens, heads, head_dim]
    Tensor lse;  // [tokens, heads]
  };
  void place_states();
  void place_outputs();
  int state_in_place() const;

  MergeCase case_;
  PlacedTensors placed_;
  MergeStatesParams params_;
  std::vector<State> states_;
};

/// Empty if `output` is within the bar, else why not.
struct MergeVerdict {
  reference::Verdict out;
  reference::Verdict lse;
  bool has_lse = false;
  std::string trouble(const MergeOutput& output) const;
};
MergeVerdict judge(const MergeCase& c, const reference::Expected& expected, const MergeOutput& output);

}  // namespace attnjit::gpu_tests
