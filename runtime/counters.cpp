#include "attnjit/counters.hpp"

#include <nlohmann/json.hpp>

namespace attnjit {
namespace {

/// The only list of the counters' names. A size check catches a missing counter.
template <class Visitor>
void visit(Visitor&& visitor) {
  using C = CacheCounters;
  visitor("loaded_hits", &C::loaded_hits);
  visitor("memory_hits", &C::memory_hits);
  visitor("store_hits", &C::store_hits);
  visitor("waits", &C::waits);
  visitor("compiles", &C::compiles);
  visitor("misses", &C::misses);
  visitor("refusals", &C::refusals);
  visitor("compile_failures", &C::compile_failures);
  visitor("loads", &C::loads);
  visitor("refused_cubins", &C::refused_cubins);
  visitor("bad_rows", &C::bad_rows);
  visitor("bad_files", &C::bad_files);
  visitor("evicted_rows", &C::evicted_rows);
  visitor("store_failures", &C::store_failures);
  visitor("compile_seconds", &C::compile_seconds);
  visitor("load_seconds", &C::load_seconds);
  visitor("wait_seconds", &C::wait_seconds);
  visitor("store_read_seconds", &C::store_read_seconds);
  visitor("store_write_seconds", &C::store_write_seconds);
  visitor("fallbacks", &C::fallbacks);
}
static_assert(sizeof(CacheCounters) == 15 * sizeof(std::int64_t) + 5 * sizeof(double), "see visit()");

}  // namespace

CacheCounters& CacheCounters::operator+=(const CacheCounters& other) noexcept {
  visit([&](const char*, auto member) { this->*member += other.*member; });
  return *this;
}

std::string to_json(const CacheCounters& counters) {
  nlohmann::ordered_json json;
  visit([&](const char* name, auto member) { json[name] = counters.*member; });
  return json.dump();
}

}  // namespace attnjit
