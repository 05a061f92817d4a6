// bf16, fp16 and e4m3 on the host: to float exactly, and back with round to nearest even. Written independently of the
// templates' conversions, which are judged by it.
#pragma once

#include <cstdint>

#include "templates/shared/types.h"

namespace attnjit::reference {

using kernel::Element;

float float_from_bf16(std::uint16_t bits);
float float_from_f16(std::uint16_t bits);
float float_from_e4m3(std::uint8_t code);
/// For either 16-bit type.
float float_from_16bit(Element element, std::uint16_t bits);

std::uint16_t bf16_from_float(float value);
std::uint16_t f16_from_float(float value);
std::uint16_t round_to_16bit(Element element, float value);
/// Nearest even, clamped to +-448; any NaN becomes 0x7f.
std::uint8_t e4m3_from_double(double value);

/// Number of e4m3 steps between two codes that are not NaN: 0 for equal values (also +0 and -0), 1 for neighbors.
int e4m3_steps(std::uint8_t a, std::uint8_t b);
bool is_e4m3_nan(std::uint8_t code);

}  // namespace attnjit::reference
