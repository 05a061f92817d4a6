// Text from outside made safe to show: what a row, a file's name or another library says reaches terminals, logs,
// callbacks and JSON only through here.
//
// A terminal obeys control characters, bidirectional marks reorder what is read, and much that takes text takes UTF-8
// alone. Such a character is written as \u001b, a byte that is no UTF-8 as \xff. The result is UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace attnjit {

/// For a place in a line: line breaks and tabs are written as \n and \t.
std::string shown_line(std::string_view text);
/// For whole lines, such as a compiler's log: line breaks and tabs stay.
std::string shown_lines(std::string_view text);

}  // namespace attnjit
