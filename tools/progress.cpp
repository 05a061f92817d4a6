#include "tools/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "cache/shown_text.h"
#include "tools/text.h"

namespace attnjit::tools {
namespace {

constexpr const char* kEraseLine = "\r\x1b[K";

int terminal_columns(std::FILE* out) {
  winsize size{};
  constexpr int kWhenUnknown = 80;
  return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : kWhenUnknown;
}

std::string outcome(const runtime::KernelReport& report) {
  switch (report.tier) {
    case cache::Tier::kMemory:
    case cache::Tier::kStore: return "in the cache";
    case cache::Tier::kWaited:
      return fmt::format("compiled by another process, waited {}", seconds_text(report.seconds));
    case cache::Tier::kCompiled: return fmt::format("compiled in {}", seconds_text(report.seconds));
  }
  return "?";
}

}  // namespace

std::string progress_bar(int done, int total, double elapsed_seconds, int columns) {
  std::string text = fmt::format(" {}/{}  {}", done, total, seconds_text(elapsed_seconds));
  if (done > 0 && done < total) {
    text += fmt::format(", {} left", seconds_text(elapsed_seconds * (total - done) / done));
  }
  // One column stays free: terminals wrap, or are about to, when their last column is written.
  constexpr int kWidest = 40;
  const int width = std::min(kWidest, columns - 1 - static_cast<int>(text.size()) - 2);
  if (width < 4) return text.substr(0, static_cast<std::size_t>(std::max(0, columns - 1)));
  const int filled = total > 0 ? width * done / total : width;
  std::string bar(static_cast<std::size_t>(filled), '=');
  if (filled < width) bar += '>';
  bar.resize(static_cast<std::size_t>(width), ' ');
  return fmt::format("[{}]{}", bar, text);
}

std::string report_line(const runtime::PrecompileProgress& progress) {
  const runtime::KernelReport& report = *progress.last;
  const std::string total = std::to_string(progress.total);
  const std::string place = fmt::format("[{:>{}}/{}] {}", progress.done, total.size(), total, report.target);
  if (!report.ok) {
    const bool planned = !report.family.empty();
    const std::string what = planned ? fmt::format("{} {}", report.family, report.config_json) : report.operator_json;
    return fmt::format("{} {}: failed: {}", place, what, report.error);
  }
  return fmt::format("{} {}: {}, {} registers, {} spilled, {} shared, {} cubin {}", place, report.family,
                     outcome(report), report.registers, bytes_text(report.spill_bytes), bytes_text(report.smem_bytes),
                     bytes_text(report.cubin_bytes), report.config_json);
}

Progress::Progress(std::FILE* out) : out_(out), terminal_(isatty(fileno(out)) == 1) {}

void Progress::write_line(const std::string& text) {
  if (terminal_) {
    fmt::print(out_, "{}{}\n{}", kEraseLine, shown_lines(text), bar_);
  } else {
    fmt::print(out_, "{}\n", shown_lines(text));
  }
  std::fflush(out_);
}

void Progress::show(const runtime::PrecompileProgress& progress) {
  const std::lock_guard lock(mutex_);
  if (!terminal_ || !progress.last->ok) write_line(report_line(progress));
  if (!terminal_) return;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
  bar_ = progress_bar(progress.done, progress.total, elapsed.count(), terminal_columns(out_));
  fmt::print(out_, "{}{}", kEraseLine, bar_);
  std::fflush(out_);
}

void Progress::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (noted_.insert(text).second) write_line(text);
}

void Progress::finish() {
  const std::lock_guard lock(mutex_);
  bar_.clear();
  if (!terminal_) return;
  fmt::print(out_, "{}", kEraseLine);
  std::fflush(out_);
}

}  // namespace attnjit::tools
