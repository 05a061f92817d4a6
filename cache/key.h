// Key of a cached kernel: a SHA-256 over named, typed fields. Owns the byte format that is hashed.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace attnjit::cache {

/// A SHA-256 digest.
struct Digest {
  std::array<std::uint8_t, 32> bytes{};
  std::string hex() const;
  bool operator==(const Digest&) const = default;
};

/// Identifies a kernel in every cache tier.
using Key = Digest;

Digest sha256(std::string_view bytes);

/// Hashes named fields. Each is written as name, type tag, length and value, so different lists of fields never give
/// the same bytes.
class DigestBuilder {
 public:
  DigestBuilder();
  ~DigestBuilder();
  DigestBuilder(const DigestBuilder&) = delete;
  DigestBuilder& operator=(const DigestBuilder&) = delete;

  DigestBuilder& add(std::string_view name, std::string_view value);
  DigestBuilder& add(std::string_view name, std::int64_t value);
  /// Finishes; the builder must not be used afterwards.
  Digest finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attnjit::cache
