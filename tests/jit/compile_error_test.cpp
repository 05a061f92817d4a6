// Compiles that must fail, and the content of their errors.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <filesystem>

#include "attnjit/error.hpp"
#include "fixtures.h"
#include "jit/compiler.h"

namespace attnjit::jit {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

/// The error of a compile that must fail.
CompileError error_of(const Templates& templates, const CompileRequest& request) {
  try {
    compile(test::nvrtc(), templates, request);
  } catch (const CompileError& error) {
    return error;
  }
  ADD_FAILURE() << "compiled";
  return CompileError("compiled", {});
}

CompileError error_of_statements(const std::string& statements, const std::string& target = "sm_80") {
  return error_of(test::templates_of(test::tiny_files(statements)), test::tiny_request(target));
}

TEST(CompileErrors, ASyntaxErrorShowsFileLineAndCaret) {
  const Templates templates = test::templates_of(test::tiny_files("  value = undeclared + 1.0f;"));
  const CompileRequest request = test::tiny_request("sm_80");
  const CompileError error = error_of(templates, request);
  const std::string place = fmt::format("kernels/tiny.cuh({}): error:", test::kStatementsLine);
  EXPECT_EQ(error.status(), Status::kCompileFailed);
  EXPECT_THAT(error.details().log, HasSubstr(place));
  // The user's line, and below it the caret at the user's column.
  EXPECT_THAT(error.details().log, HasSubstr("value = undeclared + 1.0f;\n" + std::string(12, ' ') + "^\n"));
  EXPECT_EQ(error.details().kernel, "tiny {element=bf16, width=64, doubled=true}");
  EXPECT_EQ(error.details().target, "sm_80");
  EXPECT_EQ(error.details().compiler, test::nvrtc().name());
  EXPECT_EQ(error.details().source, request.source.text);
  EXPECT_THAT(error.details().options, Contains("-arch=sm_80"));

  const std::string message = error.what();
  EXPECT_THAT(message, HasSubstr("tiny {element=bf16, width=64, doubled=true} does not compile for sm_80"));
  EXPECT_THAT(message, HasSubstr(test::nvrtc().name()));
  EXPECT_THAT(message, HasSubstr(place));
  EXPECT_THAT(message, HasSubstr("undeclared + 1.0f;"));
  EXPECT_THAT(message, HasSubstr(templates.origin()));
}

TEST(CompileErrors, AnErrorInTheGeneratedTextNamesItsFile) {
  CompileRequest request = test::tiny_request("sm_80");
  request.source.text += "int x = ;\n";
  const CompileError error = error_of(test::templates_of(test::tiny_files()), request);
  EXPECT_THAT(error.details().log, HasSubstr("attnjit_tiny.cu(13): error:"));
}

TEST(CompileErrors, AnUnknownTargetListsTheKnownOnes) {
  const Templates templates = test::templates_of(test::tiny_files());
  for (const char* const target : {"sm_99", "sm_80a", "sm_90f"}) {
    try {
      compile(test::nvrtc(), templates, test::tiny_request(target));
      ADD_FAILURE() << target;
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), Status::kUnsupported);
      EXPECT_THAT(error.what(), HasSubstr(target));
      EXPECT_THAT(error.what(), HasSubstr("sm_80, "));
      EXPECT_THAT(error.what(), HasSubstr("sm_90a"));
      EXPECT_THAT(error.what(), HasSubstr(test::nvrtc().name()));
    }
  }
  EXPECT_THROW(compile_to_ptx(test::nvrtc(), templates, test::tiny_request("sm_99")), Error);
}

TEST(CompileErrors, TheKnownTargetsReallyCompile) {
  const Templates templates = test::templates_of(test::tiny_files());
  for (const Target& target : test::nvrtc().supported_targets()) {
    if (target.major < 8) continue;  // __grid_constant__ needs 7.0, and no kernel supports these targets
    EXPECT_GT(compile(test::nvrtc(), templates, test::tiny_request(target.name())).image.size(), 0u) << target.name();
  }
}

TEST(CompileErrors, AMissingIncludeIsFoundBeforeNvrtcRuns) {
  auto files = test::tiny_files();
  files.erase("core/scale.cuh");
  try {
    compile(test::nvrtc(), test::templates_of(files), test::tiny_request("sm_80"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("kernels/tiny.cuh:2:"));
  }
}

TEST(CompileErrors, FilesOfTheCurrentDirectoryAreNotIncluded) {
  const test::TempDir folder;
  folder.write("stray.cuh", "#define STRAY 1.0f\n");
  const fs::path before = fs::current_path();
  fs::current_path(folder.path());
  // The closure cannot see this include, but NVRTC would find the file.
  auto files = test::tiny_files("value += STRAY;",
                                "\n#define NAME \"stray.cuh\"\n}\n#include NAME\nnamespace attnjit::kernel {");
  const CompileError error = error_of(test::templates_of(files), test::tiny_request("sm_80"));
  fs::current_path(before);
  EXPECT_THAT(error.details().log, HasSubstr("could not open source file \"stray.cuh\""));
}

TEST(CompileErrors, APassedDeadlineStopsTheCompile) {
  // Branches that depend on each other: about ten seconds of optimization if nothing stopped it.
  std::string statements;
  for (int i = 0; i < 700; ++i) {
    statements += fmt::format(
        "value = __sinf(value) + params.out[{0} % params.count]; if (value > {1}) {{ params.out[{0}] = value; value += "
        "__expf(params.out[params.count + {1}]); }} else {{ params.out[{1}] = 1; value /= params.out[{0}]; }}\n",
        i * (i + 3), i);
  }
  CompileRequest request = test::tiny_request("sm_90a");
  request.deadline = std::chrono::milliseconds(50);
  const std::clock_t begin = std::clock();  // CPU time of this process, so that a busy machine does not matter
  const CompileError error = error_of(test::templates_of(test::tiny_files(statements)), request);
  EXPECT_LT(std::clock() - begin, 5 * CLOCKS_PER_SEC);
  EXPECT_THAT(error.what(), HasSubstr("deadline of 0.05 s"));
}

TEST(CompileErrors, AFaultOfTheSourceIsToldEvenAfterTheDeadline) {
  CompileRequest request = test::tiny_request("sm_80");
  request.deadline = std::chrono::milliseconds(0);
  const CompileError error = error_of(test::templates_of(test::tiny_files("undeclared;")), request);
  EXPECT_THAT(error.what(), HasSubstr("identifier \"undeclared\" is undefined"));
  EXPECT_THAT(error.what(), Not(HasSubstr("deadline")));
}

TEST(CompileErrors, TheEntryMustBeInTheCubin) {
  CompileRequest request = test::tiny_request("sm_80");
  request.source.entry = "attnjit_other";
  EXPECT_THAT(error_of(test::templates_of(test::tiny_files()), request).what(),
              HasSubstr("the cubin has no kernel attnjit_other, only [attnjit_tiny]"));
}

/// A wgmma whose accumulator is accessed while it runs, which makes ptxas wait after every wgmma.
constexpr const char* kSerializedWgmma = R"(
  float a = value, b = value, c = value, d = value;
  const unsigned long long descriptor = params.count;
  asm volatile("wgmma.fence.sync.aligned;");
  for (int i = 0; i < 4; ++i) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, %4, %4, 1, 1, 1, 0, 0;"
                 : "+f"(a), "+f"(b), "+f"(c), "+f"(d) : "l"(descriptor));
    a *= 2.0f;
  }
  asm volatile("wgmma.commit_group.sync.aligned;");
  asm volatile("wgmma.wait_group.sync.aligned 0;");
  value = a + b + c + d;
)";

TEST(CompileErrors, SerializedWgmmaIsAnError) {
  const CompileError error = error_of_statements(kSerializedWgmma, "sm_90a");
  EXPECT_THAT(error.what(), HasSubstr("the kernel would be broken: ptxas"));
  EXPECT_THAT(error.what(), HasSubstr("serialized"));
}

TEST(CompileErrors, IgnoredSetmaxnregIsAnError) {
  CompileRequest request = test::tiny_request("sm_90a");
  // Without launch bounds ptxas does not know how many registers a warp starts with.
  std::string& text = request.source.text;
  const std::size_t begin = text.find("__launch_bounds__");
  text.erase(begin, text.find('\n', begin) - begin);
  const CompileError error =
      error_of(test::templates_of(test::tiny_files("asm volatile(\"setmaxnreg.inc.sync.aligned.u32 96;\");")), request);
  EXPECT_THAT(error.what(), HasSubstr("the kernel would be broken: ptxas"));
  EXPECT_THAT(error.what(), HasSubstr("setmaxnreg"));
}

}  // namespace
}  // namespace attnjit::jit
