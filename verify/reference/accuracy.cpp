#include "verify/reference/accuracy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace attnjit::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void require_size(const char* what, std::size_t size, std::int64_t wanted) {
  if (static_cast<std::int64_t>(size) != wanted) {
    throw std::logic_error(fmt::format("{} has {} elements, {} are to be compared", what, size, wanted));
  }
}

/// Keeps the worst of the wrong elements. Each element comes with a number for how bad it is; NaN is worst.
class Worst {
 public:
  explicit Worst(Verdict& verdict) : verdict_(verdict) {}

  template <class Describe>
  void add(double badness, const Describe& describe) {
    ++verdict_.wrong;
    if (std::isnan(badness)) badness = kInfinity;
    if (badness <= badness_) return;
    badness_ = badness;
    verdict_.worst = describe();
  }

 private:
  Verdict& verdict_;
  double badness_ = -1;
};

std::string position(int token, int head, int column) {
  return fmt::format("token {}, head {}, column {}", token, head, column);
}

/// |a - b|, 0 for equal infinities, NaN if either is.
double distance(double a, double b) { return a == b ? 0 : std::fabs(a - b); }

std::int64_t elements_of(const Expected& expected) {
  const std::int64_t elements = static_cast<std::int64_t>(expected.tokens) * expected.heads * expected.columns;
  require_size("the reference", expected.out.size(), elements);
  require_size("the yardstick", expected.yardstick.size(), elements);
  return elements;
}

template <class Visit>
void for_each_judged_row(const Expected& expected, const Visit& visit) {
  for (int token = 0; token < expected.tokens; ++token) {
    if (!expected.judged(token)) continue;
    for (int head = 0; head < expected.heads; ++head) {
      visit(token, head, static_cast<std::int64_t>(token) * expected.heads + head);
    }
  }
}

/// visit(token, head, column, index, whether the row has no key).
template <class Visit>
void for_each_judged(const Expected& expected, const Visit& visit) {
  for_each_judged_row(expected, [&](int token, int head, std::int64_t row) {
    const bool no_key = expected.lse[row] == -kInfinity;
    for (int column = 0; column < expected.columns; ++column) {
      visit(token, head, column, row * expected.columns + column, no_key);
    }
  });
}

/// `rounded` converts the baseline's float32 result to its stored form.
template <class Rounded>
double largest_yardstick_error(const Expected& expected, const Rounded& rounded) {
  double largest = 0;
  for_each_judged(expected, [&](int, int, int, std::int64_t i, bool) {
    const double error = distance(rounded(expected.yardstick[i]), expected.out[i]);
    if (error > largest) largest = error;
  });
  return largest;
}

double allowed_error(double yardstick_error) { return 2 * yardstick_error + 1e-5; }

}  // namespace

std::string Verdict::message() const {
  if (ok()) return fmt::format("error {:.3g}, allowed {:.3g}, {} elements", error, allowed, elements);
  return fmt::format("{}; {} of {} elements ({:.3g} %) are wrong", worst, wrong, elements,
                     elements == 0 ? 0.0 : 100.0 * static_cast<double>(wrong) / static_cast<double>(elements));
}

namespace {

/// `rounded` converts a float32 result to its stored form; `stored(i)` is what was stored.
template <class Rounded, class Stored>
Verdict judge_by_yardstick(const Expected& expected, const Rounded& rounded, const Stored& stored) {
  Verdict verdict;
  verdict.yardstick_error = largest_yardstick_error(expected, rounded);
  verdict.allowed = allowed_error(verdict.yardstick_error);

  Worst worst(verdict);
  for_each_judged(expected, [&](int token, int head, int column, std::int64_t i, bool no_key) {
    const double got = stored(i);
    const double error = distance(got, expected.out[i]);
    const double allowed = no_key ? 0 : verdict.allowed;
    ++verdict.elements;
    if (error > verdict.error) verdict.error = error;
    if (error <= allowed) return;  // false for NaN
    worst.add(error, [&] {
      return fmt::format(
          "out differs at {}: got {:.9g}, want {:.9g}, error {:.3g}, allowed {:.3g} (yardstick {:.3g}){}",
          position(token, head, column), got, expected.out[i], error, allowed, verdict.yardstick_error,
          no_key ? ", a row without keys" : "");
    });
  });
  return verdict;
}

}  // namespace

Verdict judge_16bit(const Expected& expected, const std::vector<std::uint16_t>& out) {
  require_size("out", out.size(), elements_of(expected));
  const auto rounded = [&](float value) {
    return float_from_16bit(expected.element, round_to_16bit(expected.element, value));
  };
  return judge_by_yardstick(expected, rounded,
                            [&](std::int64_t i) { return float_from_16bit(expected.element, out[i]); });
}

Verdict judge_float(const Expected& expected, const std::vector<float>& out) {
  require_size("out", out.size(), elements_of(expected));
  return judge_by_yardstick(
      expected, [](float value) { return value; }, [&](std::int64_t i) { return out[i]; });
}

Verdict judge_e4m3(const Expected& expected, const std::vector<std::uint8_t>& out, float out_scale) {
  require_size("out", out.size(), elements_of(expected));
  // How far off an accumulator may be: the 16-bit bar, without the rounding that e4m3 output does not do.
  const double slack = allowed_error(largest_yardstick_error(expected, [](float value) { return value; }));

  Verdict verdict;
  std::int64_t different = 0;
  std::int64_t yardstick_different = 0;
  Worst worst(verdict);
  for_each_judged(expected, [&](int token, int head, int column, std::int64_t i, bool no_key) {
    const double exact = expected.out[i] / out_scale;
    const std::uint8_t want = e4m3_from_double(exact);
    const bool nan = is_e4m3_nan(out[i]) || is_e4m3_nan(want);
    const int steps = nan ? 256 : e4m3_steps(out[i], want);
    ++verdict.elements;
    if (steps > 0) ++different;
    if (e4m3_steps(e4m3_from_double(double{expected.yardstick[i]} / out_scale), want) > 0) ++yardstick_different;
    if (steps <= (no_key ? 0 : 1)) return;
    const double got = float_from_e4m3(out[i]);
    const bool within_slack = got >= float_from_e4m3(e4m3_from_double(exact - slack / out_scale)) &&
                              got <= float_from_e4m3(e4m3_from_double(exact + slack / out_scale));
    if (!nan && !no_key && within_slack) return;
    worst.add(steps, [&] {
      return fmt::format("out differs at {}: got {} (code {:#04x}), want {} (code {:#04x}; {:.9g} before rounding)",
                         position(token, head, column), got, out[i], float_from_e4m3(want), want, exact);
    });
  });
  if (verdict.elements == 0) return verdict;
  verdict.error = static_cast<double>(different) / static_cast<double>(verdict.elements);
  verdict.yardstick_error = static_cast<double>(yardstick_different) / static_cast<double>(verdict.elements);
  verdict.allowed = std::max(0.01, 1.5 * verdict.yardstick_error);
  if (verdict.ok() && verdict.error > verdict.allowed) {
    verdict.wrong = different;
    verdict.worst = fmt::format(
        "too many e4m3 codes differ from the rounded reference: {:.3g} %, allowed {:.3g} % "
        "(yardstick {:.3g} %)",
        100 * verdict.error, 100 * verdict.allowed, 100 * verdict.yardstick_error);
  }
  return verdict;
}

Verdict judge_lse(const Expected& expected, const std::vector<float>& lse) {
  const std::int64_t rows = static_cast<std::int64_t>(expected.tokens) * expected.heads;
  require_size("lse", lse.size(), rows);
  require_size("the reference's lse", expected.lse.size(), rows);
  require_size("the reference's magnitude", expected.magnitude.size(), rows);

  Verdict verdict;
  verdict.allowed = 1;
  Worst worst(verdict);
  for_each_judged_row(expected, [&](int token, int head, std::int64_t row) {
    const bool no_key = expected.lse[row] == -kInfinity;
    const double allowed = no_key ? 0 : 1e-4 + 2e-6 * expected.magnitude[row];
    const double error = distance(lse[row], expected.lse[row]);
    ++verdict.elements;
    if (!no_key && error / allowed > verdict.error) verdict.error = error / allowed;
    if (error <= allowed) return;  // false for NaN
    worst.add(error, [&] {
      return fmt::format("lse differs at token {}, head {}: got {:.9g}, want {:.9g}, error {:.3g}, allowed {:.3g}",
                         token, head, lse[row], expected.lse[row], error, allowed);
    });
  });
  return verdict;
}

}  // namespace attnjit::reference
