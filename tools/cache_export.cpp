// attnjit cache export: writes each kernel as a cubin file for cuobjdump and nvdisasm, with a JSON file next to it.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "cache/ofd_lock.h"
#include "cache/store.h"
#include "jit/target.h"
#include "tools/cache_view.h"
#include "tools/command.h"
#include "tools/say.h"
#include "tools/text.h"

namespace attnjit::tools {
namespace {

struct ExportArguments : CacheArguments {
  std::string directory;
  std::vector<std::string> families;
  std::vector<std::string> archs;
  bool local = false;
};

bool is_among(const std::vector<std::string>& wanted, const std::string& name) {
  return wanted.empty() || std::ranges::find(wanted, name) != wanted.end();
}

/// "sm80_mha_varlen-sm_90a-nvrtc13.0-1d0691f9916d": sorts by what people look for, and is unique to a kernel.
std::string base_name(const cache::Entry& entry) {
  return fmt::format("{}-{}-{}{}.{}-{}", entry.fields.family, entry.fields.target, entry.compiler.name,
                     entry.compiler.major, entry.compiler.minor, entry.fields.key().hex().substr(0, 12));
}

/// A name that cannot leave its folder whatever a row contains: no separators, no hidden file, no control characters.
std::string safe_name(std::string name) {
  for (char& letter : name) {
    const bool plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                       (letter >= '0' && letter <= '9') || letter == '_' || letter == '-' || letter == '.';
    if (!plain) letter = '_';
  }
  constexpr std::size_t kLongest = 200;
  if (name.size() > kLongest) name.erase(0, name.size() - kLongest);  // the key is at the end
  if (name.starts_with('.')) name.front() = '_';
  return name;
}

/// Writes a temporary file and renames it: a symbolic link with that name is replaced, and its target is not touched.
void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::path fresh = path;
  fresh += fmt::format(".{}.new", ::getpid());
  const auto check = [&](bool good) {
    if (good) return;
    const int error = errno;
    ::unlink(fresh.c_str());
    throw std::runtime_error(fmt::format("{} cannot be written: {}", path.string(), std::strerror(error)));
  };
  ::unlink(fresh.c_str());  // left by a killed process with our process id
  const cache::FileDescriptor file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
  check(file.valid());
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.number(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    check(written >= 0);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  check(::rename(fresh.c_str(), path.c_str()) == 0);
}

/// Writes both files; returns the JSON for the listing.
Json export_entry(const cache::Entry& entry, const std::filesystem::path& directory) {
  const std::string name = safe_name(base_name(entry));
  Json json = to_json(entry);
  json["cubin"] = name + ".cubin";
  json["cubin_bytes"] = entry.image.size();
  json["log"] = entry.log;
  write_file(directory / (name + ".cubin"), {reinterpret_cast<const char*>(entry.image.data()), entry.image.size()});
  // A log is raw compiler output, which need not be UTF-8.
  write_file(directory / (name + ".json"), json_text(json, 2) + "\n");
  return json;
}

Exit export_cache(const ExportArguments& arguments) {
  std::vector<std::string> targets;
  for (const std::string& arch : arguments.archs) targets.push_back(jit::Target::parse(arch).name());
  const std::filesystem::path directory = arguments.directory;
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) throw std::runtime_error(fmt::format("{} cannot be created: {}", directory.string(), error.message()));

  OpenCache cache(arguments);
  Json kernels = Json::array();
  std::int64_t bytes = 0;
  int local = 0;
  for (const cache::Entry& listed : cache.entries()) {
    if (!is_among(arguments.families, listed.fields.family) || !is_among(targets, listed.fields.target)) continue;
    if (listed.local && !arguments.local) {
      ++local;
      continue;
    }
    // One image at a time: all together may exceed memory. A row that turns out bad is deleted and reported by now.
    const auto entry = cache.store()->find(listed.fields, {.exactly = listed.compiler, .accepts = {}});
    if (!entry) continue;
    Json json = export_entry(*entry, directory);
    bytes += static_cast<std::int64_t>(entry->image.size());
    json.erase("log");
    kernels.push_back(std::move(json));
  }
  cache.print_repairs();
  if (arguments.json) {
    say_json(Json{{"path", cache.path().string()},
                  {"directory", directory.string()},
                  {"left_out_local", local},
                  {"kernels", std::move(kernels)}});
  } else {
    say("{} kernels of {} written to {}, {}{}\n", kernels.size(), cache.path().string(), directory.string(),
        bytes_text(bytes),
        local == 0 ? "" : fmt::format("; {} made from local templates left out (--local takes them too)", local));
  }
  return cache.repairs().empty() ? kExitOk : kExitFailure;
}

}  // namespace

void add_cache_export(CLI::App& cache, Run& run) {
  const auto arguments = std::make_shared<ExportArguments>();
  CLI::App* const sub =
      cache.add_subcommand("export", "Write each kernel as a .cubin file that cuobjdump reads, and a .json beside it");
  add_cache_options(*sub, *arguments);
  sub->add_option("directory", arguments->directory, "Folder to write to; made if need be")
      ->required()
      ->type_name("DIR");
  sub->add_option("--family", arguments->families, "Only kernels of these families")->delimiter(',');
  sub->add_option("--arch", arguments->archs, "Only kernels for these targets, as sm_90a,sm_80")->delimiter(',');
  sub->add_flag("--local", arguments->local, "Also kernels made from templates of ATTNJIT_TEMPLATE_DIR");
  sub->callback([arguments, &run] { run = [arguments] { return export_cache(*arguments); }; });
}

}  // namespace attnjit::tools
