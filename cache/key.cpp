#include "cache/key.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "attnjit/error.hpp"
#include "cache/entry.h"

namespace attnjit::cache {
namespace {

/// SHA-256 fails only for want of memory or when the host has set OpenSSL up to refuse it. There is no key
/// without it, hence this is the one trouble of the cache that is thrown to the user.
[[noreturn]] void fail(const char* call) {
  throw Error(Status::kInternal,
              fmt::format("SHA-256 is not available: {} failed (OpenSSL error {:#x}); check the OpenSSL "
                          "configuration of this process",
                          call, ERR_get_error()));
}

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

/// One SHA-256 under way.
class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) {
    if (!context_) fail("EVP_MD_CTX_new");
    if (EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) fail("EVP_DigestInit_ex");
  }

  void write(std::string_view bytes) {
    if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) fail("EVP_DigestUpdate");
  }

  /// Eight bytes, least significant first, on every host.
  void write_number(std::uint64_t value) {
    char bytes[8];
    for (char& byte : bytes) {
      byte = static_cast<char>(value & 0xff);
      value >>= 8;
    }
    write({bytes, sizeof bytes});
  }

  Digest finish() {
    Digest digest;
    if (EVP_DigestFinal_ex(context_.get(), digest.bytes.data(), nullptr) != 1) fail("EVP_DigestFinal_ex");
    return digest;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, FreeContext> context_;
};

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
  return hash.finish();
}

DigestBuilder::DigestBuilder() : impl_(std::make_unique<Impl>()) {}
DigestBuilder::~DigestBuilder() = default;

// The grammar of a field: length of the name, name, tag, length of the value, value. All lengths are eight
// bytes, so the end of each part is known before it is read and no value can imitate the start of a field.
DigestBuilder& DigestBuilder::add(std::string_view name, std::string_view value) {
  impl_->hash.write_number(name.size());
  impl_->hash.write(name);
  impl_->hash.write("s");
  impl_->hash.write_number(value.size());
  impl_->hash.write(value);
  return *this;
}

DigestBuilder& DigestBuilder::add(std::string_view name, std::int64_t value) {
  impl_->hash.write_number(name.size());
  impl_->hash.write(name);
  impl_->hash.write("i");
  impl_->hash.write_number(sizeof value);
  impl_->hash.write_number(static_cast<std::uint64_t>(value));
  return *this;
}

Digest DigestBuilder::finish() { return impl_->hash.finish(); }

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
