// A case of any operator in the form the mutation test needs: it runs and checks its own result.
#pragma once

#include <cstdint>
#include <string>

#include "tests/emulator/mutation.h"
#include "tests/emulator/run_here.h"

namespace attnjit::emulator_tests {

template <class AnyCase>
MutationCase mutation_case(const std::string& name, std::uint64_t seed, const AnyCase& c) {
  return {name, seed, [c](const emulator::LaunchOptions& options, emulator::LaunchResult* result) {
            const Judged judged = run_here(c, options);
            if (result != nullptr) *result = judged.run;
            return judged.trouble;
          }};
}

}  // namespace attnjit::emulator_tests
