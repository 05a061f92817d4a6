// The tensors of one case of merge_states on the device, and what should come of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attnjit/merge_states.hpp"
#include "tests/gpu/merge_case.h"
#include "tests/gpu/placed_tensors.h"
#include "tests/reference/accuracy.h"
#include "tests/reference/plain_kernels.h"

namespace attnjit::gpu_tests {

/// What a call wrote, row-major, and whether it wrote where it should. One of the first three, by out's type.
struct MergeOutput {
  std::vector<std::uint16_t> out_16bit;
  std::vector<std::uint8_t> out_e4m3;
  std::vector<float> out_float;
  std::vector<float> lse;   // [tokens, heads], empty without lse
  std::string wrong_place;  // empty, or which elements were left out or written although nobody's

  bool operator==(const MergeOutput& other) const;  // bit for bit
};

class MergeTensors {
 public:
  MergeTensors(const MergeCase& c, const reference::PlainKernels& plain);

  const MergeStatesParams& params() const { return params_; }
  /// Fills the states. Again before each call: one that works in place overwrites them, and take_output() too.
  void fill_inputs() const;
  /// Other numbers from now on.
  void set_seed(std::uint64_t seed) { case_.seed = seed; }
  /// What the plain kernels make of the states as they are now.
  reference::Expected expected() const;
  /// Waits for the device, takes the outputs out and leaves poison where they were.
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
