// Kernel source that comes as files: it is compiled and kept, and the race check sees each access, even one without a
// wrapper.
#include "emulator/kernel_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "attnjit/error.hpp"

namespace attnjit::emulator_tests {
namespace {

namespace fs = std::filesystem;
using emulator::FaultKind;
using emulator::KernelFault;
using testing::HasSubstr;

constexpr const char* kPlanted = R"(#pragma once
#include "ptx/builtins.cuh"

namespace attnjit::kernel {

struct PlantedConfig { int barrier = 0; };
struct PlantedParams { int* out; };
struct PlantedShared { int values[64]; };

template <PlantedConfig kConfig>
ATTNJIT_DEVICE void planted(const PlantedParams& params) {
  PlantedShared& shared = dynamic_shared<PlantedShared>();
  shared.values[thread_index()] = thread_index();
  if constexpr (kConfig.barrier == 1) sync_block();
  params.out[thread_index()] = shared.values[63 - thread_index()];
}

}
)";

class PlantedText : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "attnjit-emulator-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    for (const auto& [file, text] : jit::Templates::embedded().files()) {
      if (file.starts_with("ptx/") || file.starts_with("shared/")) put(file, text);
    }
    put("kernels/planted.cuh", kPlanted);
    templates_ = jit::Templates::from_directory(folder_ / "templates");
  }
  void TearDown() override { fs::remove_all(folder_); }

  void put(const std::string& file, const std::string& text) const {
    fs::create_directories((folder_ / "templates" / file).parent_path());
    std::ofstream(folder_ / "templates" / file) << text;
  }
  static jit::KernelSpec spec(int barrier) {
    const std::string value = std::to_string(barrier);
    return {"planted", "PlantedConfig", "PlantedParams", {{"barrier", value, value}}};
  }
  std::optional<KernelFault> run(const emulator::KernelObject& object, bool race_check) {
    int* const out = out_;
    try {
      launch(object.function, &out, {.ctas = 1, .threads = 64, .smem_bytes = 256}, {.race_check = race_check});
      return std::nullopt;
    } catch (const KernelFault& fault) {
      return fault;
    }
  }

  fs::path folder_;
  jit::Templates templates_;
  int out_[64] = {};
};

TEST_F(PlantedText, IsCompiledOnceAndFoundAgain) {
  emulator::KernelObjects objects(folder_ / "objects", templates_);
  const auto& object = objects.get(spec(1), false);
  EXPECT_TRUE(object.compiled);
  EXPECT_FALSE(run(object, false).has_value());
  EXPECT_EQ(out_[1], 62);

  emulator::KernelObjects later(folder_ / "objects", templates_);
  EXPECT_FALSE(later.get(spec(1), false).compiled);
  EXPECT_TRUE(later.get(spec(0), false).compiled) << "another config is another object";
  put("kernels/planted.cuh", std::string(kPlanted) + "// more\n");
  templates_ = jit::Templates::from_directory(folder_ / "templates");
  EXPECT_TRUE(later.get(spec(1), false).compiled) << "another text is another object";
}

TEST_F(PlantedText, DirectAccessesAreCheckedForRaces) {
  emulator::KernelObjects objects(folder_ / "objects", templates_);
  const auto right = run(objects.get(spec(1), true), true);
  EXPECT_FALSE(right.has_value()) << right->what();
  const auto fault = run(objects.get(spec(0), true), true);
  ASSERT_TRUE(fault.has_value());
  EXPECT_TRUE(fault->kind() == FaultKind::kRace || fault->kind() == FaultKind::kUninitialisedRead) << fault->what();
  if (std::system("addr2line --version >/dev/null 2>&1") == 0) {
    EXPECT_THAT(fault->what(), HasSubstr(" at kernels/planted.cuh:1")) << "line 13 or 15";
  }
}

TEST_F(PlantedText, CompilerMessageIsInTheError) {
  put("kernels/planted.cuh", "#include \"ptx/builtins.cuh\"\nthis is no C++\n");
  templates_ = jit::Templates::from_directory(folder_ / "templates");
  emulator::KernelObjects objects(folder_ / "objects", templates_);
  try {
    objects.get(spec(1), false);
    FAIL() << "text that is no C++ compiled";
  } catch (const CompileError& error) {
    EXPECT_THAT(error.what(), HasSubstr("kernels/planted.cuh:2"));
    EXPECT_THAT(error.details().kernel, HasSubstr("planted {barrier=1}"));
  }
  EXPECT_TRUE(fs::is_empty(folder_ / "objects")) << "a failed compile leaves nothing behind";
}

TEST_F(PlantedText, FolderThatOthersMayWriteIsRefused) {
  fs::create_directories(folder_ / "open");
  fs::permissions(folder_ / "open", fs::perms::all);
  EXPECT_THROW((emulator::KernelObjects{folder_ / "open", templates_}), Error);
}

}  // namespace
}  // namespace attnjit::emulator_tests
