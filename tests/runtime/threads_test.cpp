// Threads that concurrently create, run and destroy contexts and operators, with the fake driver. The tsan preset
// reports data races; without it these tests see lost launches, kernels loaded twice, and crashes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "attnjit/attnjit.hpp"
#include "templates/shared/mha_varlen_params.h"
#include "templates/shared/mla_decode_params.h"
#include "tests/fake_driver/fake_cuda.h"
#include "tests/runtime/masked_mha_case.h"
#include "tests/runtime/mha_varlen_case.h"
#include "tests/runtime/mla_decode_case.h"

namespace {

constexpr int kThreads = 8;
constexpr int kRounds = 12;
const CUstream kStreams[] = {reinterpret_cast<CUstream>(0x5000), reinterpret_cast<CUstream>(0x6000)};

std::vector<attnjit::MhaVarlenConfig> configs() {
  std::vector<attnjit::MhaVarlenConfig> result(3, attnjit::test::deepseek_config());
  result[1].causal = false;
  result[2].out_dtype = attnjit::DType::kFloat8E4M3;
  return result;
}

attnjit::MhaVarlenParams params_of(const attnjit::MhaVarlenConfig& config) {
  attnjit::MhaVarlenParams params = attnjit::test::deepseek_params();
  if (config.out_dtype == attnjit::DType::kFloat8E4M3) {
    params.out =
        attnjit::Tensor::contiguous(attnjit::test::address(0x50000), attnjit::DType::kFloat8E4M3, {300, 16, 128});
    params.out_scale = attnjit::Tensor::contiguous(attnjit::test::address(0x80000), attnjit::DType::kFloat32, {1});
  }
  return params;
}

class Threads : public testing::Test {
 protected:
  Threads() {
    setenv("ATTNJIT_LIBCUDA", FAKE_CUDA_PATH, 1);
    directory_ = std::filesystem::temp_directory_path() / ("attnjit-threads-test-" + std::to_string(getpid()));
    std::filesystem::create_directory(directory_);
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
    fake_cuda::reset();
    fake_cuda::state().device_sms = {90, 90};
  }
  ~Threads() override { std::filesystem::remove_all(directory_); }

  attnjit::ContextOptions options(int device) {
    attnjit::ContextOptions result;
    result.device = device;
    result.cache_path = directory_.string();
    result.log = [this](attnjit::LogLevel level, const std::string& message) {
      const std::lock_guard guard(mutex_);
      if (level == attnjit::LogLevel::kWarning) warnings_.push_back(message);
    };
    return result;
  }

  /// Runs on all threads at once; an exception on any of them is a failure.
  template <class Body>
  void on_threads(const Body& body) {
    std::vector<std::thread> threads;
    for (int index = 0; index < kThreads; ++index) {
      threads.emplace_back([this, &body, index] {
        try {
          body(index);
        } catch (const std::exception& error) {
          const std::lock_guard guard(mutex_);
          ADD_FAILURE() << "thread " << index << ": " << error.what();
        }
        fake_cuda::set_current(nullptr);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(warnings_, std::vector<std::string>());
  }

  /// All threads run on two streams, with memory that they reserve for these streams while the others run.
  template <class Op, class Params, class Bounds>
  void reserve_and_run(const Op& op, const Params& params, const Bounds& enough, const Bounds& more) {
    on_threads([&](int index) {
      if (index % 4 < 2) fake_cuda::set_current(fake_cuda::context_of(0));
      const CUstream stream = kStreams[index % 2];
      for (int round = 0; round < kRounds; ++round) {
        op.reserve(stream, round % 2 == 0 ? enough : more);
        op.run(params, stream);
      }
    });
  }

  std::filesystem::path directory_;
  std::mutex mutex_;
  std::vector<std::string> warnings_;
};

/// What the launches of kernels called `entry` had at `place` in their parameter, by stream.
template <class Sent>
std::map<CUstream, std::set<const void*>> addresses(const std::string& entry, const void* (*place)(const Sent&)) {
  std::map<CUstream, std::set<const void*>> result;
  for (const fake_cuda::Launch& launch : fake_cuda::state().launches) {
    if (launch.entry != entry) continue;
    Sent sent;
    std::memcpy(&sent, launch.parameter.data(), sizeof sent);
    result[launch.stream].insert(place(sent));
  }
  return result;
}

/// Two streams, each with its own blocks and at most one block of each of two sizes, however many threads reserved.
void expect_workspaces_of_two_streams(const std::map<CUstream, std::set<const void*>>& addresses) {
  ASSERT_EQ(addresses.size(), 2u);
  std::set<const void*> all;
  for (const auto& [stream, blocks] : addresses) {
    all.insert(blocks.begin(), blocks.end());
    EXPECT_LE(blocks.size(), 2u) << "what is there already was reserved again";
  }
  EXPECT_EQ(all.size(), addresses.begin()->second.size() + addresses.rbegin()->second.size())
      << "two streams wrote to the same memory";
  EXPECT_EQ(all.count(nullptr), 0u);
  const auto& allocations = fake_cuda::state().allocations;
  EXPECT_GE(allocations.size(), 2u);
  EXPECT_LE(allocations.size(), 4u) << "what is there already was allocated again";
  EXPECT_TRUE(std::ranges::all_of(allocations, [](const auto& allocation) { return allocation.freed; }));
}

/// On each stream, every launch of `first` is followed by the `second` of the same call.
void expect_whole_calls(const std::string& first, const std::string& second) {
  std::map<CUstream, std::vector<std::string>> entries;
  for (const fake_cuda::Launch& launch : fake_cuda::state().launches) entries[launch.stream].push_back(launch.entry);
  for (const auto& [stream, in_order] : entries) {
    ASSERT_EQ(in_order.size() % 2, 0u);
    for (std::size_t i = 0; i < in_order.size(); i += 2) {
      ASSERT_EQ(in_order[i], first) << "two calls' kernels lie among each other, and share a workspace";
      ASSERT_EQ(in_order[i + 1], second);
    }
  }
}

/// Starts cold: the first rounds compile each kernel once for all threads.
TEST_F(Threads, MakeRunAndDestroyOperatorsOfOneContext) {
  const std::vector<attnjit::MhaVarlenConfig> all = configs();
  {
    const attnjit::Context context(options(0));
    on_threads([&](int index) {
      // Half of them bring their own context, the others use the device's primary context.
      if (index % 2 == 0) fake_cuda::set_current(fake_cuda::context_of(0));
      for (int round = 0; round < kRounds; ++round) {
        const auto& config = all[static_cast<std::size_t>(index + round) % all.size()];
        const attnjit::MhaVarlen op(context, config);
        op.run(params_of(config));
      }
    });
  }
  EXPECT_EQ(fake_cuda::state().launches.size(), std::size_t{kThreads} * kRounds);
  EXPECT_EQ(fake_cuda::state().primary_contexts_retained, 1);
  EXPECT_EQ(fake_cuda::state().libraries_loaded, fake_cuda::state().libraries_unloaded) << "cubins were not unloaded";
}

TEST_F(Threads, ShareOneOperator) {
  const attnjit::Context context(options(0));
  const attnjit::MhaVarlenConfig config = configs()[0];
  const attnjit::MhaVarlen op(context, config);
  on_threads([&](int) {
    for (int round = 0; round < 10 * kRounds; ++round) op.run(params_of(config));
  });
  EXPECT_EQ(fake_cuda::state().launches.size(), std::size_t{kThreads} * 10 * kRounds);
}

TEST_F(Threads, MakeRunAndDestroyOperatorsWithWorkspace) {
  const attnjit::Context context(options(0));
  on_threads([&](int index) {
    for (int round = 0; round < kRounds; ++round) {
      const CUstream stream = kStreams[index % 2];
      if ((index + round) % 3 == 0) {
        const attnjit::MlaDecode op(context, attnjit::test::decode_config());
        op.run(attnjit::test::decode_params(), stream);
      } else {
        const attnjit::MaskedMha op(context, attnjit::test::masked_config());
        op.run(attnjit::test::topk_params(), stream);
      }
    }
  });
  EXPECT_EQ(fake_cuda::state().launches.size(), std::size_t{kThreads} * kRounds * 2);
  EXPECT_TRUE(fake_cuda::state().allocations.empty());
}

TEST_F(Threads, ReserveForOneMlaDecodeAndRunItOnTwoStreams) {
  using Sent = attnjit::kernel::MlaDecodeParams;
  fake_cuda::state().parameter_bytes["attnjit_sm80_mla_decode"] = sizeof(Sent);
  attnjit::MlaDecodeParams params = attnjit::test::decode_params();
  params.workspace = {};
  {
    const attnjit::MlaDecode op(attnjit::Context(options(0)), attnjit::test::decode_config());
    reserve_and_run<attnjit::MlaDecode, attnjit::MlaDecodeParams, attnjit::MlaDecodeBounds>(
        op, params, {.batch = 3, .max_seqlen_q = 2, .num_heads = 16},
        {.batch = 30, .max_seqlen_q = 2, .num_heads = 128});
  }
  EXPECT_EQ(fake_cuda::state().launches.size(), std::size_t{kThreads} * kRounds * 2);
  expect_workspaces_of_two_streams(
      addresses<Sent>("attnjit_sm80_mla_decode", [](const Sent& sent) -> const void* { return sent.partial_out; }));
}

TEST_F(Threads, CallsOnOneStreamGetTheirKernelsInTogether) {
  const attnjit::Context context(options(0));
  const attnjit::MlaDecode decode(context, attnjit::test::decode_config());
  const attnjit::MaskedMha masked(context, attnjit::test::masked_config());
  attnjit::MlaDecodeParams decode_params = attnjit::test::decode_params();
  attnjit::MaskedMhaParams masked_params = attnjit::test::topk_params();
  decode_params.workspace = masked_params.workspace = {};
  fake_cuda::set_current(fake_cuda::context_of(0));
  for (const CUstream stream : kStreams) {
    decode.reserve(stream, {.batch = 3, .max_seqlen_q = 2, .num_heads = 16});
    masked.reserve(stream, {.tokens_q = 300, .batch = 2, .max_positions = 200});
  }
  on_threads([&](int index) {
    for (int round = 0; round < 10 * kRounds; ++round) decode.run(decode_params, kStreams[index % 2]);
  });
  expect_whole_calls("attnjit_sm80_mla_decode", "attnjit_sm80_mla_combine");
  fake_cuda::state().launches.clear();
  on_threads([&](int index) {
    for (int round = 0; round < 10 * kRounds; ++round) masked.run(masked_params, kStreams[index % 2]);
  });
  expect_whole_calls("attnjit_mask_from_topk", "attnjit_sm90_mha_varlen");
}

TEST_F(Threads, ReserveForOneMaskedMhaAndRunItOnTwoStreams) {
  using Sent = attnjit::kernel::MaskFromTopkParams;
  fake_cuda::state().parameter_bytes["attnjit_mask_from_topk"] = sizeof(Sent);
  attnjit::MaskedMhaParams params = attnjit::test::topk_params();
  params.workspace = {};
  {
    const attnjit::MaskedMha op(attnjit::Context(options(0)), attnjit::test::masked_config());
    reserve_and_run<attnjit::MaskedMha, attnjit::MaskedMhaParams, attnjit::MaskedMhaBounds>(
        op, params, {.tokens_q = 300, .batch = 2, .max_positions = 200},
        {.tokens_q = 900, .batch = 2, .max_positions = 400});
  }
  EXPECT_EQ(fake_cuda::state().launches.size(), std::size_t{kThreads} * kRounds * 2);
  expect_workspaces_of_two_streams(
      addresses<Sent>("attnjit_mask_from_topk", [](const Sent& sent) -> const void* { return sent.mask.bits; }));
}

TEST_F(Threads, MakeAndDestroyContextsOfTwoDevices) {
  const std::vector<attnjit::MhaVarlenConfig> all = configs();
  on_threads([&](int index) {
    const int device = index % 2;
    fake_cuda::set_current(fake_cuda::context_of(device));
    for (int round = 0; round < kRounds; ++round) {
      const auto& config = all[static_cast<std::size_t>(index / 2 + round) % all.size()];
      std::optional<attnjit::Context> context(options(device));
      const attnjit::MhaVarlen op(*context, config);
      context.reset();  // the operator outlives it
      op.run(params_of(config));
    }
  });
  const auto& launches = fake_cuda::state().launches;
  EXPECT_EQ(launches.size(), std::size_t{kThreads} * kRounds);
  EXPECT_EQ(std::count_if(launches.begin(), launches.end(),
                          [](const auto& launch) { return launch.context == fake_cuda::context_of(1); }),
            kThreads / 2 * kRounds);
  EXPECT_EQ(fake_cuda::state().libraries_loaded, fake_cuda::state().libraries_unloaded);
}

}  // namespace
