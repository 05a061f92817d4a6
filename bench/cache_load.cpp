#include "bench/cache_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <random>

#include "cache/row.h"

namespace attnjit::bench {

cache::KeyFields fake_fields(int number) {
  return {
      .family = "sm80_mha_varlen",
      .config = fmt::format("{{\"element\":\"bf16\",\"head_dim_qk\":192,\"head_dim_v\":128,\"number\":{}}}", number),
      .target = "sm_90a",
      .options = "-std=c++20 --no-cache --ptxas-options=-v",
      .source_digest = std::string(64, 'd'),
      .schema = 1};
}

cache::Entry fake_entry(int number) {
  cache::Entry entry;
  entry.fields = fake_fields(number);
  entry.compiler = {"nvrtc", 13, 0};
  entry.entry_point = "attnjit_kernel";
  entry.image.resize(kImageBytes);
  std::minstd_rand random(static_cast<unsigned>(number) + 1);
  for (unsigned char& byte : entry.image) byte = static_cast<unsigned char>(random() >> 8);
  entry.resources = {{"registers", 168}, {"spill_bytes", 0}, {"shared_bytes", 98304}};
  entry.log = std::string(600, 'l');
  entry.compile_seconds = 0.3;
  entry.created_unix = static_cast<std::int64_t>(std::time(nullptr));
  return entry;
}

void burn(std::chrono::milliseconds cpu_time) {
  const auto now = [] {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  const auto end = now() + cpu_time;
  while (now() < end) continue;
}

std::unique_ptr<cache::KernelCache> open_cache(const std::filesystem::path& directory) {
  cache::KernelCacheOptions options;
  options.location.directory = directory;
  options.warn = [](const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
    std::_Exit(1);
  };
  return std::make_unique<cache::KernelCache>(std::move(options));
}

void fill_store(const std::filesystem::path& directory, int count) {
  const std::filesystem::path file = cache::Store(directory).path();  // creates it
  cache::Database database(file, std::chrono::seconds(5));
  database.execute("BEGIN IMMEDIATE");
  for (int number = 0; number < count; ++number) {
    const cache::Row row = cache::make_row(fake_entry(number));
    cache::Statement statement(database, cache::insert_row());
    cache::bind_row(statement, row);
    statement.step();
  }
  database.execute("COMMIT");
}

Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values[values.size() * 99 / 100], values.back()};
}

}  // namespace attnjit::bench
