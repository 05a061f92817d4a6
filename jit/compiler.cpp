#include "jit/compiler.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>

#include "attnjit/error.hpp"
#include "jit/cubin_elf.h"
#include "jit/memory_limit.h"
#include "jit/nvrtc_library.h"
#include "process/exit.h"

namespace attnjit::jit {
namespace {

using Clock = std::chrono::steady_clock;

enum class Output { kCubin, kPtx };

struct Option {
  std::string text;
  CompilerVersion since;
};

/// Options that change the code generated from a source. All options below only change how it is compiled.
constexpr std::string_view kCodeOptions = "-std=c++20";

std::vector<std::string> options_for(CompilerVersion version, const CompileRequest& request, Output output) {
  // A real architecture yields a cubin; the virtual one of the same name yields PTX.
  const std::string target = request.target.name();
  const std::string arch = output == Output::kCubin ? target : "compute_" + target.substr(3);
  const Option options[] = {
      {"-arch=" + arch, kOldestNvrtc},
      {std::string(kCodeOptions), kOldestNvrtc},
      // Puts registers, stack and spills into the log.
      {"--ptxas-options=-v", kOldestNvrtc},
      // Otherwise NVRTC looks for an #include that the templates lack in the process's current directory.
      {"--no-source-include", kOldestNvrtc},
      // Otherwise NVRTC raises the whole process's RLIMIT_STACK while it compiles.
      {"--modify-stack-limit=false", kOldestNvrtc},
      // Otherwise results are read from and written to the driver's cache in the user's home. 12.8 has no such cache.
      {"--no-cache", {12, 9}},
      // Replaces random numbers in compiler-generated names; NVRTC then promises bit-identical results. 12.8 does not
      // know the option but gave identical results anyway.
      {"--frandom-seed=" + request.seed, {12, 9}},
  };
  std::vector<std::string> texts;
  for (const Option& option : options) {
    if (version >= option.since) texts.push_back(option.text);
  }
  return texts;
}

/// Whether any compile of this process has finished.
constinit std::atomic<bool> nvrtc_is_set_up{false};

/// During its first compile NVRTC registers exit handlers that destroy its data: four functions, between passes 1 and 2
/// of 56, and between 45 and 46 (13.0). Our handler has to run before them, so it is registered again at each pass.
/// Only an exit() during one of these two passes remains a risk.
void watch_exit_of_first_compile() {
  static constinit std::atomic<int> times{0};
  constexpr int kEnough = 2000;  // many threads may run their first compile at once
  if (!nvrtc_is_set_up.load(std::memory_order_relaxed) && times.fetch_add(1) < kEnough) process::watch_exit();
}

/// Polled by NVRTC between passes, on whichever thread runs a pass. NVRTC demands that "stop" stays "stop"; it does,
/// since time only grows.
struct Deadline {
  Clock::time_point end;
  std::atomic<bool> stopped = false;

  static int should_stop(void* payload, void*) {
    watch_exit_of_first_compile();
    auto& deadline = *static_cast<Deadline*>(payload);
    if (Clock::now() < deadline.end && !process::exiting()) return 0;
    deadline.stopped = true;
    return 1;
  }
};

/// Upper bound of a log, a cubin or PTX: a thousand times those of the largest kernel.
constexpr std::size_t kMostBytes = std::size_t{1} << 28;

/// Owns an nvrtcProgram.
class Program {
 public:
  Program(const Nvrtc& nvrtc, const Templates& templates, const Source& source) : functions_(nvrtc.functions()) {
    const std::vector<std::string> names = templates.closure(source.header);
    std::vector<const char*> header_names;
    std::vector<const char*> header_texts;
    for (const std::string& name : names) {
      header_names.push_back(name.c_str());
      header_texts.push_back(templates.files().find(name)->second.c_str());
    }
    const nvrtcResult result =
        functions_.create_program(&program_, source.text.c_str(), (source.entry + ".cu").c_str(),
                                  static_cast<int>(names.size()), header_texts.data(), header_names.data());
    if (result != NVRTC_SUCCESS) {
      throw Error(Status::kInternal, fmt::format("nvrtcCreateProgram: {}", nvrtc.error_text(result)));
    }
  }
  ~Program() { functions_.destroy_program(&program_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  nvrtcResult compile(const std::vector<std::string>& options, Deadline& deadline) {
    if (functions_.set_flow_callback != nullptr) {
      functions_.set_flow_callback(program_, &Deadline::should_stop, &deadline);
    }
    std::vector<const char*> texts;
    for (const std::string& option : options) texts.push_back(option.c_str());
    const nvrtcResult result = functions_.compile_program(program_, static_cast<int>(texts.size()), texts.data());
    watch_exit_of_first_compile();
    if (result == NVRTC_SUCCESS) nvrtc_is_set_up = true;
    return result;
  }

  std::string log() const {
    std::string text = read<std::string>(functions_.get_program_log_size, functions_.get_program_log);
    while (text.ends_with('\0')) text.pop_back();
    return text;
  }

  std::vector<unsigned char> cubin() const {
    return read<std::vector<unsigned char>>(functions_.get_cubin_size, functions_.get_cubin);
  }

  std::string ptx() const {
    std::string text = read<std::string>(functions_.get_ptx_size, functions_.get_ptx);
    while (text.ends_with('\0')) text.pop_back();
    return text;
  }

 private:
  /// Empty if NVRTC has nothing to return or reports an impossible size; the caller knows what that means.
  template <class Bytes, class GetSize, class Get>
  Bytes read(GetSize get_size, Get get) const {
    std::size_t size = 0;
    if (get_size(program_, &size) != NVRTC_SUCCESS || size > kMostBytes) return {};
    Bytes bytes(size, 0);
    if (size != 0 && get(program_, reinterpret_cast<char*>(bytes.data())) != NVRTC_SUCCESS) return {};
    return bytes;
  }

  const Nvrtc::Functions& functions_;
  nvrtcProgram program_ = nullptr;
};

/// Starts at the first error and is cut to a length that a person will read.
std::string excerpt(std::string_view log) {
  constexpr std::size_t kMaxChars = 3000;
  const std::size_t error = log.find("error:");
  const std::size_t line_end = error == std::string_view::npos ? error : log.rfind('\n', error);
  if (line_end != std::string_view::npos) log.remove_prefix(line_end + 1);
  if (log.size() <= kMaxChars) return std::string(log);
  return std::string(log.substr(0, log.rfind('\n', kMaxChars))) + "\n...";
}

/// One compile, with everything an error message needs.
class Job {
 public:
  Job(const Nvrtc& nvrtc, const Templates& templates, const CompileRequest& request, Output output)
      : nvrtc_(nvrtc),
        templates_(templates),
        request_(request),
        options_(options_for(nvrtc.version(), request, output)),
        program_(nvrtc, templates, request.source) {}

  void run() {
    Deadline deadline{.end = Clock::now() + request_.deadline};
    const nvrtcResult result = program_.compile(options_, deadline);
    log_ = program_.log();
    if (result == NVRTC_SUCCESS) return;
    // If the source has an error, report that rather than the timeout.
    if (deadline.stopped && log_.find("error:") == std::string::npos) {
      fail(process::exiting() ? "it was stopped because this process exits"
                              : fmt::format("it was stopped at its deadline of {} s", seconds(request_.deadline)));
    }
    fail(nvrtc_.error_text(result));
  }

  [[noreturn]] void fail(const std::string& reason) const {
    std::string message = fmt::format("{} does not compile for {} with {}: {}", request_.source.name,
                                      request_.target.name(), nvrtc_.name(), reason);
    if (const std::string text = excerpt(log_); !text.empty()) message += "\n" + text;
    if (templates_.overridden()) {
      message += fmt::format("\nFiles named here are those of {}, which was given in place of the library's own.",
                             templates_.origin());
    }
    throw CompileError(message, {.kernel = request_.source.name,
                                 .target = request_.target.name(),
                                 .compiler = nvrtc_.name(),
                                 .options = options_,
                                 .source = request_.source.text,
                                 .log = log_});
  }

  void check_entry(const std::vector<unsigned char>& image) const {
    const CubinEntries entries = read_cubin_entries(image);
    if (!entries.problem.empty()) fail(fmt::format("the result is no cubin: {}", entries.problem));
    if (std::ranges::find(entries.names, request_.source.entry) == entries.names.end()) {
      fail(fmt::format("the cubin has no kernel {}, only [{}]", request_.source.entry, fmt::join(entries.names, ", ")));
    }
  }

  Resources checked_resources() const {
    if (const auto line = find_broken_promise(log_)) fail(fmt::format("the kernel would be broken: {}", *line));
    const auto resources = read_resources(log_, request_.source.entry);
    // Without the report, spills and a serialized wgmma would go unnoticed.
    if (!resources) fail(fmt::format("the log has no report of {} by ptxas", request_.source.entry));
    return *resources;
  }

  static double seconds(std::chrono::duration<double> duration) { return duration.count(); }

  const Program& program() const { return program_; }
  const std::vector<std::string>& options() const { return options_; }
  const std::string& log() const { return log_; }

 private:
  const Nvrtc& nvrtc_;
  const Templates& templates_;
  const CompileRequest& request_;
  std::vector<std::string> options_;
  Program program_;
  std::string log_;
};

void check_target(const Nvrtc& nvrtc, const Target& target) {
  if (nvrtc.supports(target)) return;
  std::vector<std::string> names;
  for (const Target& known : nvrtc.supported_targets()) names.push_back(known.name());
  throw Error(Status::kUnsupported,
              fmt::format("{} does not know the target {}; it knows {}. Compile for one of these, or "
                          "with a newer NVRTC (ATTNJIT_NVRTC, or ContextOptions::nvrtc_path)",
                          nvrtc.name(), target.name(), fmt::join(names, ", ")));
}

}  // namespace

std::string code_options() { return std::string(kCodeOptions); }

Cubin compile(const Nvrtc& nvrtc, const Templates& templates, const CompileRequest& request) {
  const auto begin = Clock::now();
  const NvrtcStay stay;
  check_target(nvrtc, request.target);
  const CompileMemory memory;
  Job job(nvrtc, templates, request, Output::kCubin);
  job.run();
  Cubin cubin;
  cubin.image = job.program().cubin();
  job.check_entry(cubin.image);
  cubin.resources = job.checked_resources();
  cubin.log = job.log();
  cubin.options = job.options();
  cubin.compiler = nvrtc.version();
  cubin.seconds = Job::seconds(Clock::now() - begin);
  return cubin;
}

std::string compile_to_ptx(const Nvrtc& nvrtc, const Templates& templates, const CompileRequest& request) {
  const NvrtcStay stay;
  check_target(nvrtc, request.target);
  const CompileMemory memory;
  Job job(nvrtc, templates, request, Output::kPtx);
  job.run();
  const std::string ptx = job.program().ptx();
  if (ptx.empty()) job.fail("NVRTC gave no PTX");
  return ptx;
}

}  // namespace attnjit::jit
