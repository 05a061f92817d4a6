// An operator as text, from JSON or from KEY=VALUE words: any text is read, or refused with an attnjit::Error.
#include <sstream>
#include <string>
#include <vector>

#include "attnjit/error.hpp"
#include "jit/target.h"
#include "operators/operator_config.h"
#include "runtime/sm_features.h"
#include "tests/fuzz/fuzz.h"

namespace attnjit::runtime {
namespace {

using fuzz::require;

OperatorConfig read(char form, const std::string& text) {
  if (form != 'w') return operator_config_from_json(text);
  std::vector<std::string> words;
  std::istringstream lines(text);
  for (std::string word; std::getline(lines, word);) words.push_back(word);
  return operator_config_from_words(words);
}

void read_and_plan(char form, const std::string& text) {
  OperatorConfig config;
  try {
    config = read(form, text);
  } catch (const Error& error) {
    require(error.status() == Status::kInvalidArgument, "what cannot be read is an invalid argument");
    return;
  }
  const std::string json = to_json(config);
  require(to_json(operator_config_from_json(json)) == json, "an operator that is written is read as the same");
  static const std::vector<SmFeatures> sms{sm_features(jit::Target::parse("sm_80")),
                                           sm_features(jit::Target::parse("sm_90a"))};
  for (const SmFeatures& features : sms) {
    try {
      require(!plans(config, features).empty(), "an operator that is served has kernels");
    } catch (const Error&) {
      // Not supported, and the library says so.
    }
  }
}

}  // namespace
}  // namespace attnjit::runtime

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* bytes, std::size_t count) {
  if (count == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(bytes), count);
  attnjit::runtime::read_and_plan(text[0], text[0] == 'w' ? text.substr(1) : text);
  return 0;
}
