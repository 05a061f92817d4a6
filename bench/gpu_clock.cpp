#include "bench/gpu_clock.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <type_traits>

#include "attnjit/error.hpp"
#include "runtime/driver.h"

namespace attnjit::bench {

GpuClock::GpuClock() {
  void* const library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  const auto look_up = [&](auto& function, const char* name) {
    void* const address = library == nullptr ? nullptr : dlsym(library, name);
    if (address == nullptr) throw Error(Status::kNoDriver, fmt::format("libcuda.so.1 has no {}", name));
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(address);
  };
  look_up(create_, "cuEventCreate");
  look_up(record_, "cuEventRecord");
  look_up(synchronize_, "cuEventSynchronize");
  look_up(elapsed_, "cuEventElapsedTime");
  look_up(destroy_, "cuEventDestroy_v2");
  const runtime::Driver& driver = runtime::Driver::get();
  driver.check(create_(&start_, CU_EVENT_DEFAULT), "cuEventCreate");
  driver.check(create_(&end_, CU_EVENT_DEFAULT), "cuEventCreate");
}

GpuClock::~GpuClock() {
  destroy_(start_);
  destroy_(end_);
}

void GpuClock::start(CUstream stream) { runtime::Driver::get().check(record_(start_, stream), "cuEventRecord"); }

double GpuClock::stop_us(CUstream stream) {
  const runtime::Driver& driver = runtime::Driver::get();
  driver.check(record_(end_, stream), "cuEventRecord");
  driver.check(synchronize_(end_), "cuEventSynchronize");
  float milliseconds = 0;
  driver.check(elapsed_(&milliseconds, start_, end_), "cuEventElapsedTime");
  return milliseconds * 1e3;
}

}  // namespace attnjit::bench
