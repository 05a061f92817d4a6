#include "runtime/workspace.h"

#include <fmt/format.h>

#include "runtime/driver.h"

namespace attnjit::runtime {
namespace {

CUcontext current_context() {
  const Driver& driver = Driver::get();
  CUcontext context = nullptr;
  driver.check(driver.cuCtxGetCurrent(&context), "cuCtxGetCurrent");
  return context;
}

}  // namespace

ReservedWorkspaces::~ReservedWorkspaces() {
  if (blocks_.empty()) return;
  const Driver& driver = Driver::get();
  for (const Block& block : blocks_) {
    // A context that the host destroyed took its memory with it, and so did a driver that is shutting down.
    if (driver.cuCtxPushCurrent(block.context) != CUDA_SUCCESS) continue;
    driver.cuMemFree(block.address);
    CUcontext popped = nullptr;
    driver.cuCtxPopCurrent(&popped);
  }
}

void ReservedWorkspaces::reserve(CUstream stream, std::size_t bytes) {
  const CUcontext context = current_context();
  const std::lock_guard lock(mutex_);
  for (const Block& block : blocks_) {
    if (block.context == context && block.stream == stream && block.bytes >= bytes) return;
  }
  const Driver& driver = Driver::get();
  blocks_.reserve(blocks_.size() + 1);  // nothing may throw once the memory is there
  CUdeviceptr address = 0;
  driver.check(driver.cuMemAlloc(&address, bytes), fmt::format("cuMemAlloc of {} bytes of workspace", bytes).c_str());
  blocks_.push_back({context, stream, address, bytes});
}

Workspace ReservedWorkspaces::find(CUstream stream) const {
  const CUcontext context = current_context();
  const std::lock_guard lock(mutex_);
  Workspace found;
  for (const Block& block : blocks_) {
    if (block.context == context && block.stream == stream && block.bytes > found.bytes) {
      found = {reinterpret_cast<void*>(block.address), block.bytes};
    }
  }
  return found;
}

void* workspace_for_call(const ArgumentCheck& check, const Workspace& given, const ReservedWorkspaces& reserved,
                         CUstream stream, std::size_t bytes) {
  if (bytes == 0) return nullptr;
  if (given.bytes > 0) {
    if (given.data == nullptr) [[unlikely]] {
      check.fail(fmt::format("workspace has a null pointer and {} bytes; give its address", given.bytes));
    }
    if (reinterpret_cast<std::uintptr_t>(given.data) % kWorkspaceAlignment != 0) [[unlikely]] {
      check.fail(fmt::format("workspace starts at {}; it must start at a multiple of {} bytes: allocate it there",
                             given.data, kWorkspaceAlignment));
    }
    if (given.bytes < bytes) [[unlikely]] {
      check.fail(
          fmt::format("workspace has {} bytes; this call needs {}: ask workspace_bytes() for the largest batch, "
                      "heads and lengths there will be",
                      given.bytes, bytes));
    }
    return given.data;
  }
  const Workspace found = reserved.find(stream);
  if (found.bytes < bytes) [[unlikely]] {
    check.fail(
        found.bytes == 0
            ? fmt::format("this call needs {} bytes of workspace, and there are none: give them as workspace, or "
                          "call reserve() for this stream ahead of time",
                          bytes)
            : fmt::format("this call needs {} bytes of workspace, and {} were reserved for this stream: reserve() "
                          "with the largest batch, heads and lengths there will be",
                          bytes, found.bytes));
  }
  return found.data;
}

}  // namespace attnjit::runtime
