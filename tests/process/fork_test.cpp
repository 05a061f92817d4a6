// Children forked while threads are inside the library: whatever they use returns soon, with success or with an error
// that says what to do.
#include <signal.h>

#include <atomic>
#include <random>
#include <thread>

#include "process/fork.h"
#include "tests/process/support.h"

namespace attnjit::process {
namespace {

/// The status of creating an operator; `forked` says whether the error mentioned a fork.
Status status_of(const Context& context, bool causal, bool* forked) {
  try {
    const MhaVarlen op(context, small_config(causal));
    return Status::kOk;
  } catch (const Error& error) {
    *forked = std::string(error.what()).find("forked") != std::string::npos;
    return error.status();
  }
}

TEST(Fork, AmidACompileLeavesTheChildWhatWasNotInUse) {
  TemporaryDirectory directory;
  const std::string path = directory.path();
  ASSERT_EQ(0, run_child([&] {  // in a child, so that no NVRTC is used in this process
              return MhaVarlen(Context(compile_only(path)), small_config()), 0;
            }));
  EXPECT_EQ(0, run_child([&] {
              EndlessNvrtc nvrtc;
              ContextOptions options = compile_only();
              options.nvrtc_path = nvrtc.path();
              std::optional<Context> used(options);
              const Context idle(compile_only(path));
              std::thread([&] {
                const Context mine = *used;
                const MhaVarlen op(mine, small_config());
              }).detach();
              nvrtc.wait_until_inside();
              const int status = run_child(
                  [&] {
                    bool forked = false;
                    if (status_of(*used, true, &forked) != Status::kInternal || !forked) return 1;
                    used.reset();
                    // NVRTC must not be used here; kernels that exist are used.
                    if (status_of(Context(options), true, &forked) != Status::kNoCompiler || !forked) return 2;
                    if (status_of(idle, true, &forked) != Status::kOk) return 3;
                    if (status_of(Context(compile_only(path)), true, &forked) != Status::kOk) return 4;
                    // Nor in a grandchild.
                    return run_child([&] {
                      return status_of(Context(options), true, &forked) == Status::kNoCompiler && forked ? 0 : 5;
                    });
                  },
                  20);
              ::_exit(status);
              return 0;
            }));
}

/// The thread inside the library is the one that forks, so the child has that thread and everything it was doing.
TEST(Fork, InsideACallbackLeavesTheChildItsContext) {
  TemporaryDirectory directory;
  const std::string path = directory.path();
  ASSERT_EQ(0, run_child([&] { return MhaVarlen(Context(compile_only(path)), small_config()), 0; }));
  EXPECT_EQ(0, run_child([&] {
              std::optional<Context> context;
              ContextOptions options = compile_only(path);
              int child = -1;
              options.miss_callback = [&](const Miss&) {
                child = run_child(
                    [&] {
                      bool forked = false;
                      if (status_of(*context, true, &forked) != Status::kOk) return 1;
                      // And a grandchild, outside any callback.
                      return run_child([&] { return status_of(*context, true, &forked) == Status::kOk ? 0 : 2; }, 20);
                    },
                    20);
              };
              context.emplace(options);
              const MhaVarlen op(*context, small_config(/*causal=*/false));
              return child;
            }));
}

/// Warm: the threads open and close the store, and load from it.
TEST(Fork, AtAnyMomentOfThreadsThatMakeAndDestroyContexts) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP()
      << "AddressSanitizer's allocator leaves its locks taken in a child that is forked while a thread allocates";
#endif
  TemporaryDirectory directory;
  const std::string path = directory.path();
  const auto options = [&] {
    ContextOptions result = compile_only(path);
    result.on_miss = MissPolicy::kError;
    result.log = [](LogLevel, const std::string&) {};
    return result;
  };
  ASSERT_EQ(0, run_child([&] { return MhaVarlen(Context(compile_only(path)), small_config()), 0; }));
  EXPECT_EQ(0, run_child([&] {
              const Context shared(options());
              std::atomic<bool> stop = false;
              std::vector<std::thread> threads;
              for (int i = 0; i < 3; ++i) {
                threads.emplace_back([&] {
                  while (!stop) {
                    const Context own(options());
                    const MhaVarlen op(own, small_config());
                    const MhaVarlen of_shared(shared, small_config());
                  }
                });
              }
              const auto use = [](const Context& context) {
                bool forked = false;
                const Status status = status_of(context, true, &forked);
                // Without the store, whose SQLite was in use, there is no kernel.
                return status == Status::kOk || status == Status::kCacheMiss || forked;
              };
              const unsigned seed = std::random_device()();
              std::minstd_rand random(seed);
              std::vector<pid_t> children;
              for (int i = 0; i < 24; ++i) {
                std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
                children.push_back(start_child(
                    [&] {
                      std::optional<Context> copy(shared);
                      if (!use(*copy)) return 1;
                      copy.reset();
                      return use(Context(options())) ? 0 : 2;
                    },
                    20));
              }
              int worst = 0;
              for (const pid_t child : children) worst = std::max(worst, wait_for(child));
              stop = true;
              for (std::thread& thread : threads) thread.join();
              if (worst != 0) ::dprintf(2, "seed %u\n", seed);
              return worst > 255 ? 255 : worst;
            }));
}

TEST(Occupancy, IsOfOneProcess) {
  Occupancy place;
  ASSERT_TRUE(place.enter());
  EXPECT_EQ(0, run_child([&] {
              if (!place.forked_amidst() || place.enter() || place.enter()) return 1;
              place.leave();
              return place.forked_amidst() ? 0 : 2;
            }));
  place.leave();
  EXPECT_EQ(0, run_child([&] {
              if (place.forked_amidst() || !place.enter()) return 1;
              place.leave();
              return 0;
            }));
  EXPECT_FALSE(place.forked_amidst());
}

TEST(Occupancy, OwnStaysAreNoneToTheChildOfTheThread) {
  Occupancy place, other;
  const Stay outer(place);
  const Stay between(other);
  const Stay inner(place);
  EXPECT_EQ(0, run_child([&] {
              if (place.forked_amidst() || other.forked_amidst()) return 1;
              {
                const Stay more(place);
                if (!more.entered()) return 2;
              }
              return run_child([&] { return place.forked_amidst() ? 3 : 0; });
            }));
  ASSERT_TRUE(place.enter());  // as another thread would
  EXPECT_EQ(0, run_child([&] { return place.forked_amidst() && !place.enter() && !other.forked_amidst() ? 0 : 1; }));
  place.leave();
}

TEST(Fork, GivesTheChildAnotherId) {
  const std::uint32_t mine = own_id();
  EXPECT_EQ(0, run_child([&] { return own_id() != mine && generation() > 0 ? 0 : 1; }));
  EXPECT_EQ(own_id(), mine);
}

}  // namespace
}  // namespace attnjit::process
