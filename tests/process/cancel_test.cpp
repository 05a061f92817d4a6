// pthread_cancel() of a thread that is inside the library takes effect once the thread has left.
#include <pthread.h>
#include <unistd.h>

#include <thread>

#include "attnjit/attnjit.h"
#include "tests/process/support.h"

namespace attnjit::process {
namespace {

/// Runs `body` on a thread that has been cancelled, then reaches a cancellation point. True if the thread ended there
/// rather than in the body.
bool leaves_and_is_cancelled(const std::function<void()>& body) {
  struct Run {
    const std::function<void()>& body;
    bool left = false;
  } run{body};
  pthread_t thread;
  pthread_create(
      &thread, nullptr,
      [](void* argument) -> void* {
        auto& mine = *static_cast<Run*>(argument);
        pthread_cancel(pthread_self());
        mine.body();
        mine.left = true;
        pthread_testcancel();
        return nullptr;
      },
      &run);
  void* result = nullptr;
  pthread_join(thread, &result);
  return run.left && result == PTHREAD_CANCELED;
}

TEST(Cancel, TheCAbiIsLeftFirst) {
  TemporaryDirectory directory;
  const std::string path = directory.path();
  EXPECT_EQ(0, run_child([&] {
              attnjit_context_options options = ATTNJIT_CONTEXT_OPTIONS_INIT;
              options.device = -1;
              options.arch = "sm_80";
              options.cache_path = path.c_str();
              options.miss = [](const attnjit_miss*, void*) { ::usleep(1); };  // a cancellation point of the host
              attnjit_mha_varlen_config config = ATTNJIT_MHA_VARLEN_CONFIG_INIT;
              config.head_dim_qk = config.head_dim_v = 16;
              attnjit_context* context = nullptr;
              attnjit_mha_varlen* op = nullptr;
              attnjit_status status = ATTNJIT_INTERNAL;
              if (!leaves_and_is_cancelled([&] { status = attnjit_context_create(&options, &context); })) return 1;
              if (status != ATTNJIT_OK) return 2;
              if (!leaves_and_is_cancelled([&] { status = attnjit_mha_varlen_create(context, &config, &op); }))
                return 3;
              if (status != ATTNJIT_OK) return 4;
              if (!leaves_and_is_cancelled([&] { attnjit_mha_varlen_destroy(op); })) return 5;
              return leaves_and_is_cancelled([&] { attnjit_context_destroy(context); }) ? 0 : 6;
            }));
}

}  // namespace
}  // namespace attnjit::process
