#include "cache/key.h"

#include "cache/entry.h"
#include "cache/sha256.h"

namespace attnjit::cache {
namespace {

/// Eight bytes, little-endian on every host.
void write_number(Sha256& hash, std::uint64_t value) {
  char bytes[8];
  for (char& byte : bytes) {
    byte = static_cast<char>(value & 0xff);
    value >>= 8;
  }
  hash.write({bytes, sizeof bytes});
}

}  // namespace

std::string Digest::hex() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

struct DigestBuilder::Impl {
  Sha256 hash;
};

Digest sha256(std::string_view bytes) {
  Sha256 hash;
  hash.write(bytes);
  return {hash.finish()};
}

DigestBuilder::DigestBuilder() : impl_(std::make_unique<Impl>()) {}
DigestBuilder::~DigestBuilder() = default;

// Field format: name length, name, tag, value length, value. All lengths are eight bytes, so the end of each part is
// known before it is read, and no value can imitate the start of a field.
DigestBuilder& DigestBuilder::add(std::string_view name, std::string_view value) {
  write_number(impl_->hash, name.size());
  impl_->hash.write(name);
  impl_->hash.write("s");
  write_number(impl_->hash, value.size());
  impl_->hash.write(value);
  return *this;
}

DigestBuilder& DigestBuilder::add(std::string_view name, std::int64_t value) {
  write_number(impl_->hash, name.size());
  impl_->hash.write(name);
  impl_->hash.write("i");
  write_number(impl_->hash, sizeof value);
  write_number(impl_->hash, static_cast<std::uint64_t>(value));
  return *this;
}

Digest DigestBuilder::finish() { return {impl_->hash.finish()}; }

Key KeyFields::key() const {
  return DigestBuilder()
      .add("schema", schema)
      .add("family", family)
      .add("config", config)
      .add("target", target)
      .add("options", options)
      .add("source_digest", source_digest)
      .finish();
}

}  // namespace attnjit::cache
