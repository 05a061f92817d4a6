#include "emulator/async_copies.h"

#include <algorithm>
#include <cstring>

namespace attnjit::emulator {

const char* to_string(Completion completion) {
  switch (completion) {
    case Completion::kEarly: return "early";
    case Completion::kLate: return "late";
    case Completion::kRandom: return "random";
  }
  return "?";
}

void AsyncCopies::land(Copy& copy) {
  if (copy.landed) return;
  if (copy.valid > 0) std::memcpy(copy.to, copy.from, copy.valid);
  std::memset(copy.to + copy.valid, 0, copy.bytes - copy.valid);
  copy.landed = true;
}

void AsyncCopies::issue(Copy copy, Completion completion, Random& random) {
  copy.group = open_group_;
  copy.landed = false;
  copies_.push_back(copy);
  if (completion == Completion::kEarly || (completion == Completion::kRandom && random.one_in(4))) land(copies_.back());
}

std::vector<AsyncCopies::Copy> AsyncCopies::wait(int pending, Completion completion, Random& random) {
  std::vector<Copy> done;
  // Signed: the number of committed groups may be smaller than the number that may stay pending.
  const std::int64_t first_pending = std::int64_t{open_group_} - pending;
  std::erase_if(copies_, [&](const Copy& copy) {
    if (copy.group >= first_pending) return false;
    done.push_back(copy);
    return true;
  });
  if (completion == Completion::kRandom) random.shuffle(done);
  for (Copy& copy : done) land(copy);
  return done;
}

void AsyncCopies::land_some(Random& random) {
  for (Copy& copy : copies_) {
    if (!copy.landed && random.one_in(4)) land(copy);
  }
}

}  // namespace attnjit::emulator
