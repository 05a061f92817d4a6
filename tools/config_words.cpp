#include "tools/config_words.h"

#include <sstream>

namespace attnjit::tools {

runtime::OperatorConfig config_from_words(const std::vector<std::string>& given) {
  std::vector<std::string> words;
  for (const std::string& word : given) {
    std::istringstream stream(word);
    for (std::string part; stream >> part;) words.push_back(part);
  }
  return runtime::operator_config_from_words(words);
}

}  // namespace attnjit::tools
