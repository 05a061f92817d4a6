// The counters of trouble as the user of a Context reads them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "attnjit/attnjit.hpp"
#include "cache/store.h"
#include "tests/tools/temporary_folder.h"

namespace attnjit {
namespace {

using ::testing::HasSubstr;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

class CountersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(directory_ / "cache");
    std::filesystem::permissions(directory_ / "cache", std::filesystem::perms::owner_all);
    ::unsetenv("ATTNJIT_ON_MISS");
    ::unsetenv("ATTNJIT_CACHE_MAX_SIZE");
    ::unsetenv("ATTNJIT_TEMPLATE_DIR");
  }

  ContextOptions options() const {
    ContextOptions result;
    result.device = ContextOptions::kNoDevice;
    result.arch = "sm_80";
    result.cache_path = directory_ / "cache";
    result.log = [](LogLevel, const std::string&) {};
    return result;
  }
  static void make_op(const Context& context) {
    const MhaVarlen op(context, {.head_dim_qk = 16,
                                 .head_dim_v = 16,
                                 .rope_dim = 0,
                                 .dtype = DType::kBFloat16,
                                 .causal = true,
                                 .out_dtype = {}});
  }
  /// Fills the store with the kernels of make_op(); returns how many there are.
  std::int64_t warm() const {
    const Context context(options());
    make_op(context);
    return context.counters().compiles;
  }
  /// The callback holds back the compiling thread until another thread waits for it.
  static void wait_for_a_waiter(const Context& context) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (context.counters().waits == 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  }
  /// Creates the operator on two threads of one context at once. Returns the number of threads on which that failed.
  static int make_on_two_threads(ContextOptions options, CacheCounters& counters) {
    const Context* made = nullptr;
    std::atomic<int> failed{0};
    options.miss_callback = [&](const Miss&) { wait_for_a_waiter(*made); };
    const Context context(options);
    made = &context;
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        try {
          make_op(context);
        } catch (const Error& error) {
          EXPECT_EQ(error.status(), Status::kCompileFailed);
          EXPECT_THAT(error.what(), HasSubstr("int broken"));
          ++failed;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    counters = context.counters();
    return failed;
  }

  const test::TemporaryFolder folder_;
  const std::filesystem::path directory_ = folder_.path();
};

TEST_F(CountersTest, AThreadThatWaits) {
  CacheCounters counters;
  EXPECT_EQ(make_on_two_threads(options(), counters), 0);
  EXPECT_GE(counters.waits, 1);
  EXPECT_GT(counters.wait_seconds, 0);
  EXPECT_EQ(counters.waits + counters.memory_hits, counters.compiles);
  EXPECT_EQ(counters.compile_failures, 0);
}

TEST_F(CountersTest, ACompileThatFailsWhileAThreadWaits) {
  std::filesystem::copy(TEMPLATE_SOURCE_DIR, directory_ / "templates", std::filesystem::copy_options::recursive);
  std::ofstream(directory_ / "templates/core/softmax.cuh", std::ios::app) << "int broken = = 1;\n";
  ContextOptions broken = options();
  broken.template_dir = directory_ / "templates";
  CacheCounters counters;
  EXPECT_EQ(make_on_two_threads(broken, counters), 2) << "both are told";
  EXPECT_EQ(counters.compile_failures, 1);
  EXPECT_EQ(counters.waits, 1);
  EXPECT_EQ(counters.misses, 1);
  EXPECT_EQ(counters.compiles, 0);
  EXPECT_GT(counters.compile_seconds, 0) << "failures take time as well";
  EXPECT_EQ(counters.store_failures, 0);
}

TEST_F(CountersTest, ABadRow) {
  const std::int64_t kernels = warm();
  const std::filesystem::path file = directory_ / "cache" / cache::Store::file_name();
  const std::vector<unsigned char> image = cache::Store(directory_ / "cache").list(/*with_images=*/true).at(0).image;
  std::string bytes = read_file(file);
  // A row spans several pages: find a part of the image that lies within one.
  std::size_t place = std::string::npos;
  for (std::size_t at = 0; at + 256 <= image.size() && place == std::string::npos; at += 256) {
    const std::string piece(image.begin() + static_cast<std::ptrdiff_t>(at),
                            image.begin() + static_cast<std::ptrdiff_t>(at + 256));
    place = bytes.find(piece);
    if (place != bytes.rfind(piece)) place = std::string::npos;
  }
  ASSERT_NE(place, std::string::npos);
  bytes[place + 100] ^= 1;
  write_file(file, bytes);

  const Context context(options());
  make_op(context);
  EXPECT_EQ(context.counters().bad_rows, 1);
  EXPECT_EQ(context.counters().compiles, 1);
  EXPECT_EQ(context.counters().store_hits, kernels - 1);
  EXPECT_EQ(context.counters().bad_files + context.counters().store_failures, 0);
}

TEST_F(CountersTest, ABadFile) {
  const std::int64_t kernels = warm();
  write_file(directory_ / "cache" / cache::Store::file_name(), std::string(20'000, 'x'));
  const Context context(options());
  make_op(context);
  EXPECT_EQ(context.counters().bad_files, 1);
  EXPECT_EQ(context.counters().compiles, kernels);
  EXPECT_EQ(context.counters().bad_rows + context.counters().store_failures, 0);
  EXPECT_EQ(cache::Store(directory_ / "cache").stat().entries, kernels);
}

TEST_F(CountersTest, AStoreThatFails) {
  const Context context(options());
  EXPECT_EQ(context.counters().store_failures, 0);
  std::filesystem::remove_all(directory_ / "cache");
  make_op(context);
  const CacheCounters counters = context.counters();
  EXPECT_GE(counters.compiles, 1);
  EXPECT_EQ(counters.store_failures, 3 * counters.compiles) << "a read, a read under the key's lock, a write";
  EXPECT_EQ(counters.bad_files + counters.bad_rows, 0);
}

}  // namespace
}  // namespace attnjit
