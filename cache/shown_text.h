// Makes outside text safe to show: text from rows, file names or other libraries reaches terminals, logs, callbacks and
// JSON only through here.
//
// Terminals obey control characters, bidirectional marks reorder text, and many consumers accept only UTF-8. Such
// characters are written as \u001b, bytes that are not UTF-8 as \xff. The result is UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace attnjit {

/// For use within a line: line breaks and tabs become \n and \t.
std::string shown_line(std::string_view text);
/// For whole lines, such as a compiler's log: line breaks and tabs are kept.
std::string shown_lines(std::string_view text);

}  // namespace attnjit
