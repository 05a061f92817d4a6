#include "runtime/workspace.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "runtime/driver.h"
#include "runtime/stream_id.h"

namespace attnjit::runtime {

/// One allocation for one stream of a context.
struct ReservedWorkspaces::Block {
  Block(const Driver& driver, CUcontext of, std::uint64_t number_of_context, CUstream on, std::uint64_t number,
        std::size_t size)
      : context(of), context_id(number_of_context), stream(on), stream_id(number), bytes(size) {
    driver.check(driver.cuMemAlloc(&address, bytes), fmt::format("cuMemAlloc of {} bytes of workspace", bytes).c_str());
  }
  ~Block() {
    const Driver& driver = Driver::get();
    // If the host destroyed the context or the driver is shutting down, the memory is already gone. Another context may
    // have the same handle by now.
    unsigned long long id = 0;
    if (driver.cuCtxGetId(context, &id) != CUDA_SUCCESS || id != context_id) return;
    if (driver.cuCtxPushCurrent(context) != CUDA_SUCCESS) return;
    driver.cuMemFree(address);
    CUcontext popped = nullptr;
    driver.cuCtxPopCurrent(&popped);
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  CUcontext context;
  std::uint64_t context_id;
  CUstream stream;
  std::uint64_t stream_id;
  std::size_t bytes;
  CUdeviceptr address = 0;
  std::mutex turn;  // held by a call while it launches with this block
};

ReservedWorkspaces::Place ReservedWorkspaces::place_of(CUstream stream) const {
  if (is_per_thread_default(stream)) [[unlikely]] {
    check_.fail(
        "no workspace can be reserved for CU_STREAM_PER_THREAD, which stands for another stream in each thread: use a "
        "stream of your own, or lend each call its workspace");
  }
  const Driver& driver = Driver::get();
  Place place{.stream = stream};
  driver.check(driver.cuCtxGetCurrent(&place.context), "cuCtxGetCurrent");
  place.context_id = context_id(driver, place.context);
  if (is_legacy_default(stream)) {
    place.stream = nullptr;
    place.stream_id = 0;
  } else if (!is_captured(driver, stream)) {
    place.stream_id = stream_id(driver, stream);
  }
  return place;
}

bool ReservedWorkspaces::is_at(const Block& block, const Place& place) {
  return block.context_id == place.context_id && block.stream == place.stream &&
         (!place.stream_id || block.stream_id == *place.stream_id);
}

void ReservedWorkspaces::reserve(CUstream stream, std::size_t bytes) {
  const Place place = place_of(stream);
  if (!place.stream_id) [[unlikely]] {
    check_.fail(
        "reserve() allocates, which a stream that is being captured does not allow: call it before the capture");
  }
  const auto is_there = [&] {
    return std::ranges::any_of(blocks_, [&](const auto& b) { return is_at(*b, place) && b->bytes >= bytes; });
  };
  // One at a time, so threads that reserve the same workspace never hold it twice.
  const std::lock_guard reserving(reserving_);
  {
    const std::lock_guard lock(mutex_);
    if (is_there()) return;
  }
  // The driver may wait for the device here, and calls must not wait for the driver, so the list is not locked.
  auto block =
      std::make_shared<Block>(Driver::get(), place.context, place.context_id, place.stream, *place.stream_id, bytes);
  const std::lock_guard lock(mutex_);
  blocks_.push_back(std::move(block));
}

void ReservedWorkspaces::release(CUstream stream) {
  const Place place = place_of(stream);
  if (!place.stream_id) [[unlikely]] {
    check_.fail(
        "release() frees memory that the graph may use which the stream is being captured for: call it before or "
        "after");
  }
  std::vector<std::shared_ptr<Block>> freed;  // after the list is unlocked: the driver may wait for the device
  const std::lock_guard lock(mutex_);
  std::erase_if(blocks_, [&](const auto& block) {
    if (!is_at(*block, place)) return false;
    freed.push_back(block);
    return true;
  });
}

CallWorkspace ReservedWorkspaces::find(CUstream stream) const {
  Place place = place_of(stream);
  std::shared_ptr<Block> found;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& block : std::views::reverse(blocks_)) {
      if (!is_at(*block, place)) continue;
      // For a captured stream only the handle is known: assume the stream that last reserved memory under that handle.
      place.stream_id = block->stream_id;
      if (found == nullptr || block->bytes > found->bytes) found = block;
    }
  }
  if (found == nullptr) return {};
  CallWorkspace workspace{reinterpret_cast<void*>(found->address), found->bytes, found, {}};
  workspace.turn = std::unique_lock(found->turn);
  return workspace;
}

CallWorkspace workspace_for_call(const ArgumentCheck& check, const Workspace& given, const ReservedWorkspaces& reserved,
                                 CUstream stream, std::size_t bytes) {
  if (bytes == 0) return {};
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
    return {given.data, given.bytes, {}, {}};
  }
  CallWorkspace found = reserved.find(stream);
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
  return found;
}

}  // namespace attnjit::runtime
