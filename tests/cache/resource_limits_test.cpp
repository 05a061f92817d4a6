// Requests under each limit that a process may have: they are served, and never at the cost of the process.
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <new>

#include "cache/kernel_cache.h"
#include "tests/cache/cache_trouble.h"

namespace attnjit::cache {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kKernels = 8;
constexpr std::size_t kBytes = 30'000;

bool set_limit(decltype(RLIMIT_FSIZE) which, rlim_t value) {
  struct rlimit limit = {};
  if (::getrlimit(which, &limit) != 0) return false;
  limit.rlim_cur = value;
  return ::setrlimit(which, &limit) == 0;
}

void get_all(WatchedCache& cache, int first) {
  for (int number = first; number < first + kKernels; ++number) {
    const Found found =
        cache->get({sample_fields(number), {}, false}, [number] { return sample_entry(number, kNewCompiler, kBytes); });
    EXPECT_EQ(found.entry->image, sample_entry(number, kNewCompiler, kBytes).image);
  }
}

TEST(ResourceLimits, OfFileSizesKillsNobody) {
  constexpr rlim_t kKiB = 1024;
  for (const rlim_t kib : {0, 20, 100, 130, 330, 800}) {
    SCOPED_TRACE(::testing::Message() << kib << " KiB");
    TemporaryDirectory directory;
    const auto limited = [&](int first) {
      return run_child([&] {
        return checked([&] {
          ASSERT_TRUE(set_limit(RLIMIT_FSIZE, kib * kKiB));
          WatchedCache cache(directory.path());
          get_all(cache, first);
          if (kib < 200) {
            EXPECT_THAT(cache.warnings(), Contains(HasSubstr(kib < 130 ? "ulimit -f" : "not kept")));
          }
        });
      });
    };
    EXPECT_EQ(limited(0), 0);  // a process ended by SIGXFSZ gives 1000 + its number
    Store store(directory.path());
    EXPECT_THAT(store.verify(), IsEmpty());
    // And with a store that is larger than the file size limit.
    for (int number = 100; number < 112; ++number) store.put(sample_entry(number, kNewCompiler, kBytes));
    EXPECT_EQ(limited(200), 0);
    EXPECT_THAT(store.verify(), IsEmpty());
    EXPECT_GE(store.stat().entries, 12);
    if (HasFailure()) return;
  }
}

TEST(ResourceLimits, OfFileSizesLetsAReaderRead) {
  TemporaryDirectory directory;
  {
    Store store(directory.path());
    for (int number = 0; number < kKernels; ++number) store.put(sample_entry(number, kNewCompiler, kBytes));
  }
  EXPECT_EQ(run_child([&] {
              return checked([&] {
                ASSERT_TRUE(set_limit(RLIMIT_FSIZE, 0));
                WatchedCache cache(directory.path());
                get_all(cache, 0);
                EXPECT_EQ(cache->counters().store_hits, kKernels);
                EXPECT_THAT(cache.warnings(), IsEmpty());
              });
            }),
            0);
}

/// How much of this process's address space is mapped.
rlim_t address_space() {
  std::ifstream sizes("/proc/self/statm");
  rlim_t pages = 0;
  sizes >> pages;
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

/// Runs the calling test in a process of its own. Otherwise memory that malloc kept from earlier tests, such as the
/// reserved heaps of ended threads, would be used instead of fresh memory. True if it has been run that way.
bool ran_in_a_fresh_process() {
  constexpr const char* kMark = "ATTNJIT_TEST_PROCESS_IS_FRESH";
  if (std::getenv(kMark)) return false;
  const auto* const test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string filter = fmt::format("--gtest_filter={}.{}", test->test_suite_name(), test->name());
  EXPECT_EQ(run_child([&] {
              ::setenv(kMark, "1", 1);
              return ::execl("/proc/self/exe", "fresh", filter.c_str(), nullptr);
            }),
            0);
  return true;
}

TEST(ResourceLimits, OfMemoryCostsARequestAtMost) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer ends the process where it gets no memory";
#endif
  if (ran_in_a_fresh_process()) return;
  constexpr std::size_t kLarge = 150'000;
  int served = 0, failed = 0;
  for (const rlim_t kib : {0, 128, 256, 512, 1024, 2048, 4096, 32768}) {
    SCOPED_TRACE(::testing::Message() << kib << " KiB more");
    TemporaryDirectory directory;
    Signal none_left;
    const int status = run_child([&] {
      return checked([&] {
        ::mallopt(M_MMAP_THRESHOLD, 65536);  // an image does not come from memory that malloc kept
        ASSERT_TRUE(set_limit(RLIMIT_AS, address_space() + kib * 1024));
        std::unique_ptr<WatchedCache> cache;
        for (int number = 0; number < 40; ++number) {
          try {
            if (!cache) cache = std::make_unique<WatchedCache>(directory.path());
            const Found found = (*cache)->get({sample_fields(number), {}, false},
                                              [number] { return sample_entry(number, kNewCompiler, kLarge); });
            if (found.entry->image.size() != kLarge) std::abort();
          } catch (const std::bad_alloc&) {
            none_left.give();
          }
        }
        // Nothing is left half done: once there is memory again, everything is served.
        ASSERT_TRUE(set_limit(RLIMIT_AS, RLIM_INFINITY));
        if (!cache) cache = std::make_unique<WatchedCache>(directory.path());
        get_all(*cache, 100);
        get_all(*cache, 200);
      });
    });
    EXPECT_EQ(status, 0);
    ::fcntl(none_left.reading_end(), F_SETFL, O_NONBLOCK);
    char byte;
    (::read(none_left.reading_end(), &byte, 1) == 1 ? failed : served) += 1;
    Store store(directory.path());
    EXPECT_THAT(store.verify(), IsEmpty());
    EXPECT_FALSE(std::filesystem::exists(directory / "kernels-v1.sqlite.bad"));
    if (HasFailure()) return;
  }
  EXPECT_GT(served, 0);
  EXPECT_GT(failed, 0) << "the limits were never met";
}

TEST(ResourceLimits, OfDescriptorsCostsTheStoreAtMost) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "UBSan opens a pipe to look at an object, and takes one that it cannot look at for a wrong one";
#endif
  TemporaryDirectory directory;
  {
    Store store(directory.path());
    for (int number = 0; number < kKernels; ++number) store.put(sample_entry(number, kNewCompiler, kBytes));
  }
  for (int spare = 0; spare < 8; ++spare) {
    SCOPED_TRACE(::testing::Message() << spare << " descriptors");
    EXPECT_EQ(run_child([&] {
                return checked([&] {
                  const int next = ::dup(0);  // the lowest free descriptor
                  ASSERT_GE(next, 0);
                  ::close(next);
                  ASSERT_TRUE(set_limit(RLIMIT_NOFILE, static_cast<rlim_t>(next + spare)));
                  WatchedCache cache(directory.path());
                  get_all(cache, 0);
                  get_all(cache, 100);
                });
              }),
              0);
    Store store(directory.path());
    EXPECT_THAT(store.verify(), IsEmpty());
  }
}

}  // namespace
}  // namespace attnjit::cache
