// exit() while other threads are inside the library, in child processes: the status is the one given to exit(), and it
// comes soon.
#include <cstdlib>
#include <thread>

#include "process/exit.h"
#include "tests/process/support.h"

namespace attnjit::process {
namespace {

constexpr int kStatus = 7;

void make_operators_for_ever(const ContextOptions& options) {
  for (bool causal = true;; causal = !causal) {
    const Context context(options);
    const MhaVarlen op(context, small_config(causal));
  }
}

TEST(Exit, WhileThreadsCompile) {
  EXPECT_EQ(kStatus, run_child([] {
              EndlessNvrtc nvrtc;
              ContextOptions options = compile_only();
              options.nvrtc_path = nvrtc.path();
              for (int i = 0; i < 4; ++i) std::thread([&] { make_operators_for_ever(options); }).detach();
              nvrtc.wait_until_inside();
              std::exit(kStatus);
              return 0;
            }));
}

/// NVRTC registers the handlers that destroy its data during its first compile, which has ended here.
TEST(Exit, WhileThreadsUseTheRealNvrtc) {
  for (const int milliseconds : {0, 30, 100}) {
    EXPECT_EQ(kStatus, run_child([&] {
                Signal made;
                for (int i = 0; i < 2; ++i) {
                  std::thread([&] {
                    { const MhaVarlen op(Context(compile_only()), small_config()); }
                    made.give();
                    make_operators_for_ever(compile_only());
                  }).detach();
                }
                made.take();
                std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
                std::exit(kStatus);
                return 0;
              }))
        << milliseconds << " ms after the first operator";
  }
}

TEST(Exit, WhileThreadsReadTheStore) {
  TemporaryDirectory directory;
  const std::string path = directory.path();
  ASSERT_EQ(0, run_child([&] { return MhaVarlen(Context(compile_only(path)), small_config()), 0; }));
  for (int milliseconds = 1; milliseconds < 12; milliseconds += 2) {
    EXPECT_EQ(kStatus, run_child([&] {
                ContextOptions options = compile_only(path);
                options.on_miss = MissPolicy::kError;
                for (int i = 0; i < 3; ++i) {
                  std::thread([&] {
                    for (;;) MhaVarlen(Context(options), small_config());
                  }).detach();
                }
                std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
                std::exit(kStatus);
                return 0;
              }))
        << milliseconds << " ms after the start";
  }
}

/// Another thread waits for the kernel of the thread that exits.
TEST(Exit, FromACallback) {
  EXPECT_EQ(kStatus, run_child([] {
              Signal told;
              ContextOptions options = compile_only();
              std::optional<Context> context;
              options.miss_callback = [&](const Miss&) {
                told.give();
                while (context->counters().waits == 0) std::this_thread::yield();
                std::exit(kStatus);
              };
              context.emplace(options);
              std::thread([&] {
                told.take();
                const MhaVarlen op(*context, small_config());
              }).detach();
              const MhaVarlen op(*context, small_config());
              return 0;
            }));
}

TEST(Exit, FromALogCallbackBesideAThreadThatCompiles) {
  EXPECT_EQ(kStatus, run_child([] {
              EndlessNvrtc nvrtc;
              ContextOptions options = compile_only();
              options.nvrtc_path = nvrtc.path();
              std::thread([&] { make_operators_for_ever(options); }).detach();
              nvrtc.wait_until_inside();
              ContextOptions own = compile_only("/proc/no folder for kernels");
              own.log = [](LogLevel, const std::string&) { std::exit(kStatus); };
              const Context context(own);
              return 0;
            }));
}

/// The exiting thread destroys a Context after the library has closed, and the Context creates a last operator.
TEST(Exit, TheThreadThatExitsIsNotHeld) {
  TemporaryDirectory directory;
  const std::string path = directory.path();
  { const MhaVarlen warm(Context(compile_only(path)), small_config()); }
  EXPECT_EQ(kStatus, run_child([&] {
              struct Last {
                std::string path;
                std::optional<Context> context;
                ~Last() {
                  const MhaVarlen op(*context, small_config());
                  std::_Exit(context->counters().store_hits > 0 ? kStatus : 1);
                }
              };
              static Last last{path, std::nullopt};
              last.context.emplace(compile_only(path));
              watch_exit();  // afterwards, so the library is closed when `last` is destroyed
              std::exit(2);
              return 0;
            }));
}

/// A host that joins its threads late in exit(): what they still ask for is held for some seconds, then refused.
TEST(ExitLong, AThreadThatIsJoinedWhileTheProcessExits) {
  EXPECT_EQ(kStatus, run_child([] {
              struct Pool {
                Signal stop;
                std::thread worker;
                bool refused = false;
                ~Pool() {
                  stop.give();
                  worker.join();
                  if (!refused) std::_Exit(1);
                }
              };
              static Pool pool;
              pool.worker = std::thread([] {
                pool.stop.take();
                try {
                  const Context context(compile_only());
                } catch (const Error& error) {
                  pool.refused = std::string(error.what()).find("exiting") != std::string::npos;
                }
              });
              watch_exit();  // after the pool: the library closes before the pool is destroyed
              std::exit(kStatus);
              return 0;
            }));
}

}  // namespace
}  // namespace attnjit::process
