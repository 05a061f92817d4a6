// Times tile sizes of the generic kernel side by side: the measurements behind the tile table of
// operators/mha_varlen/sm80.cpp. Losers stay in the result, with the reason if ptxas reports one (spills).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attnjit/attnjit.hpp"
#include "bench/gpu_clock.h"
#include "operators/mha_varlen/call.h"
#include "runtime/context_impl.h"
#include "runtime/driver.h"
#include "templates/shared/sm80_mha_varlen_config.h"
#include "verify/device.h"
#include "verify/mha_varlen/tensors.h"
#include "verify/reference/accuracy.h"
#include "verify/reference/reference_kernels.h"

namespace {

using attnjit::gpu_tests::Case;
using attnjit::gpu_tests::CaseTensors;
using attnjit::kernel::Sm80MhaVarlenConfig;
using attnjit::runtime::KernelPlan;

struct Tile {
  int block_m, block_n, warps, ctas_per_sm;
};
constexpr Tile kTiles[] = {{128, 64, 4, 2}, {128, 48, 4, 2}, {128, 32, 4, 2}, {128, 80, 4, 2}, {128, 128, 8, 1},
                           {256, 64, 8, 1}, {64, 64, 4, 3},  {64, 64, 4, 2},  {64, 128, 4, 2}};

Case prompt(int tokens, int heads) {
  Case c;
  c.name = fmt::format("q{} h{} causal",
                       tokens % 1024 == 0 ? fmt::format("{}k", tokens / 1024) : fmt::to_string(tokens), heads);
  c.config = {.head_dim_qk = 192, .head_dim_v = 128, .rope_dim = 64};
  c.len_q = c.len_k = {tokens};
  c.heads = c.kv_heads = heads;
  c.k_form = attnjit::gpu_tests::KeyForm::kApart;
  return c;
}

KernelPlan plan_of(const Tile& tile) {
  const Sm80MhaVarlenConfig config{.element = attnjit::kernel::Element::kBFloat16,
                                   .out_element = attnjit::kernel::Element::kBFloat16,
                                   .head_dim_qk = 192,
                                   .head_dim_v = 128,
                                   .rope_dim = 64,
                                   .causal = true,
                                   .block_m = tile.block_m,
                                   .block_n = tile.block_n,
                                   .warps = tile.warps,
                                   .ctas_per_sm = tile.ctas_per_sm,
                                   .e4m3_cvt = false};
  return attnjit::runtime::make_plan("sm80_mha_varlen", "Sm80MhaVarlenConfig", "MhaVarlenParams", config);
}

/// One tile on one case: launched as the operator would, but with this tile.
class Contender {
 public:
  Contender(const Tile& tile, attnjit::runtime::KernelLoader& loader)
      : tile_(tile),
        plan_(plan_of(tile)),
        resources_(loader.prepare(plan_).entry->resources),
        kernel_(loader.load(plan_)) {}

  void run(const Case& c, const CaseTensors& tensors) const {
    auto call = attnjit::runtime::check_mha_varlen(c.config, tensors.params());
    call.params.m_blocks = attnjit::kernel::ceil_div(call.max_seqlen_q, tile_.block_m);
    kernel_->launch(static_cast<unsigned>(call.params.m_blocks * call.heads * call.batch), &call.params, nullptr);
  }
  const Tile& tile() const { return tile_; }
  std::int64_t resource(const char* name) const { return resources_.at(name); }

 private:
  Tile tile_;
  KernelPlan plan_;
  std::map<std::string, std::int64_t> resources_;
  std::shared_ptr<const attnjit::runtime::LoadedKernel> kernel_;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  std::string commit = "unknown", date = "unknown", nvrtc = "unknown", out;
  int rounds = 9;
  CLI::App app{"Times tile sizes of the generic kernel side by side; the L2 holds what the call before left"};
  app.add_option("--commit", commit, "commit of the sources, kept with each row");
  app.add_option("--date", date, "date, kept with each row");
  app.add_option("--nvrtc", nvrtc, "version of NVRTC, kept with each row");
  app.add_option("--out", out, "file for the rows")->required();
  app.add_option("--rounds", rounds, "calls of each tile, in turn")->check(CLI::Range(3, 1000));
  CLI11_PARSE(app, argc, argv);
  try {
    const attnjit::gpu_tests::CurrentDevice current(0);
    const attnjit::Context context;
    auto& loader = attnjit::runtime::context_impl(context)->loader();
    const attnjit::reference::ReferenceKernels plain(loader);
    std::vector<Contender> contenders;
    for (const Tile& tile : kTiles) contenders.emplace_back(tile, loader);

    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const Case& c : {prompt(512, 16), prompt(1024, 16), prompt(1024, 128), prompt(4096, 128)}) {
      const CaseTensors tensors(c, plain);
      const auto expected = tensors.expected();
      std::vector<std::vector<double>> times(contenders.size());
      for (const Contender& contender : contenders) {
        contender.run(c, tensors);
        const auto verdict = judge_16bit(expected, tensors.take_output().out_16bit);
        if (!verdict.ok()) throw std::runtime_error(fmt::format("{}: {}", c.name, verdict.message()));
      }
      attnjit::bench::GpuClock clock;
      for (int round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < contenders.size(); ++i) {
          clock.start(nullptr);
          contenders[i].run(c, tensors);
          times[i].push_back(clock.stop_us(nullptr));
        }
      }
      const double operations = 2. * (192 + 128) * c.heads * c.len_q[0] * (c.len_q[0] + 1.) / 2;
      for (std::size_t i = 0; i < contenders.size(); ++i) {
        const Contender& k = contenders[i];
        const double us = median(times[i]);
        fmt::print("{:18} {:3} x {:3}, {} warps: {:8.1f} us {:6.1f} TFLOP/s\n", c.name, k.tile().block_m,
                   k.tile().block_n, k.tile().warps, us, operations / us * 1e-6);
        rows.push_back({{"op", "mla_prefill"},
                        {"case", c.name},
                        {"heads", c.heads},
                        {"dims", {192, 128}},
                        {"dtype", "bf16"},
                        {"causal", true},
                        {"block_m", k.tile().block_m},
                        {"block_n", k.tile().block_n},
                        {"warps", k.tile().warps},
                        {"ours_us", us},
                        {"tflops", operations / us * 1e-6},
                        {"registers", k.resource("registers")},
                        {"spill_bytes", k.resource("spill_store_bytes")},
                        {"l2", "warm"},
                        {"command", fmt::format("attnjit_tile_choice --rounds {}", rounds)},
                        {"commit", commit},
                        {"driver", attnjit::runtime::Driver::get().version_name()},
                        {"nvrtc", nvrtc},
                        {"date", date}});
      }
    }
    std::ofstream(out) << rows.dump(1) << '\n';
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "attnjit_tile_choice: {}\n", error.what());
    return 1;
  }
}
