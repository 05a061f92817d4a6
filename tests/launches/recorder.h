// Records what operators ask of the driver: every launch of a call with its kernel, shape, attributes and the bytes of
// its parameter. Two builds with equal recordings launch the same, whatever their host code looks like.
//
// The driver is the fake one, the compiler a stand-in, and memory has addresses but no content: recording thousands of
// calls takes seconds and needs neither NVRTC nor a GPU.
#pragma once

#include <cuda.h>

#include <map>
#include <string>
#include <vector>

#include "runtime/kernel_loader.h"
#include "runtime/kernel_plan.h"
#include "tests/gpu/recording.h"

namespace attnjit::launches {

class Recorder {
 public:
  /// The stream of calls that are not about streams.
  static CUstream stream() { return reinterpret_cast<CUstream>(0x5000); }

  /// `plans` are all kernels that may be launched, `loader` is any loader that gives them their keys.
  Recorder(const std::vector<runtime::KernelPlan>& plans, const runtime::KernelLoader& loader);

  /// Runs `call`, which launches, and records it under its own name.
  template <class Call>
  void record(const std::string& name, const Call& call) {
    begin();
    call();
    end(name);
  }
  /// Each call's launches as text, one per line.
  const std::map<std::string, std::string>& texts() const { return texts_; }
  gpu_tests::Recording recording() const;

 private:
  static void begin();
  void end(const std::string& name);

  std::map<std::string, runtime::KernelPlan> plans_;  // by key
  std::map<std::string, std::string> texts_;          // by call
  std::map<std::string, std::string> texts_of_families_;
};

/// Makes this process use the fake driver and the stand-in compiler at these paths. Call it before anything else.
void use_stand_ins(const std::string& driver, const std::string& compiler);

}  // namespace attnjit::launches
