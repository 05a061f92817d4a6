#include "verify/mla_decode/latent_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "verify/reference/low_precision.h"
#include "verify/views.h"

namespace attnjit::gpu_tests {
namespace {

using reference::bf16_from_float;
using reference::e4m3_from_double;
using reference::float_from_bf16;
using reference::float_from_e4m3;
using reference::round_to_16bit;

template <class T>
void append(std::vector<std::uint8_t>& bytes, T value) {
  const auto* const from = reinterpret_cast<const std::uint8_t*>(&value);
  bytes.insert(bytes.end(), from, from + sizeof value);
}

template <class T>
T value_at(const std::vector<std::uint8_t>& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

int latent_bytes(const MlaDecodeConfig& config) {
  switch (config.cache_format) {
    case CacheFormat::kSame: return config.kv_lora_rank * 2;
    case CacheFormat::kE4M3: return config.kv_lora_rank;
    case CacheFormat::kE4M3Rows: return 656;
  }
  return 0;
}

int rope_bytes(const MlaDecodeConfig& config) {
  switch (config.cache_format) {
    case CacheFormat::kSame: return config.rope_dim * 2;
    case CacheFormat::kE4M3: return config.rope_dim;
    case CacheFormat::kE4M3Rows: return 0;
  }
  return 0;
}

std::vector<std::uint8_t> pack_row(const MlaDecodeConfig& config, const std::vector<float>& values, float cache_scale) {
  std::vector<std::uint8_t> row;
  switch (config.cache_format) {
    case CacheFormat::kSame:
      for (const float value : values) append(row, round_to_16bit(element_of(config.dtype), value));
      break;
    case CacheFormat::kE4M3:
      for (const float value : values) row.push_back(e4m3_from_double(double{value} / cache_scale));
      break;
    case CacheFormat::kE4M3Rows: {
      float scales[4];
      for (int group = 0; group < 4; ++group) {
        float largest = 0;
        for (int c = 0; c < 128; ++c) largest = std::max(largest, std::fabs(values[group * 128 + c]));
        scales[group] = std::max(largest / 448, 1e-6f);
        for (int c = 0; c < 128; ++c) row.push_back(e4m3_from_double(double{values[group * 128 + c]} / scales[group]));
      }
      for (const float scale : scales) append(row, scale);
      for (int c = 512; c < 576; ++c) append(row, bf16_from_float(values[c]));
      break;
    }
  }
  return row;
}

std::vector<std::uint16_t> unpack_row(const MlaDecodeConfig& config, const std::vector<std::uint8_t>& row,
                                      float cache_scale) {
  const reference::Element element = element_of(config.dtype);
  std::vector<std::uint16_t> values;
  switch (config.cache_format) {
    case CacheFormat::kSame:
      for (std::size_t i = 0; i < row.size(); i += 2) values.push_back(value_at<std::uint16_t>(row, i));
      break;
    case CacheFormat::kE4M3:
      for (const std::uint8_t code : row)
        values.push_back(round_to_16bit(element, float_from_e4m3(code) * cache_scale));
      break;
    case CacheFormat::kE4M3Rows:
      for (std::size_t c = 0; c < 512; ++c) {
        values.push_back(
            round_to_16bit(element, float_from_e4m3(row[c]) * value_at<float>(row, 512 + c / 128 * sizeof(float))));
      }
      for (std::size_t c = 0; c < 64; ++c) {
        values.push_back(round_to_16bit(element, float_from_bf16(value_at<std::uint16_t>(row, 528 + 2 * c))));
      }
      break;
  }
  return values;
}

}  // namespace attnjit::gpu_tests
