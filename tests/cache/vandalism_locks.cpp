#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/cache/vandalism.h"

namespace attnjit::cache {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using enum Vandalism::Kernels;

std::error_code ignored;

/// A journal's header, so that SQLite believes it, followed by garbage instead of pages.
std::string journal_of_garbage(Scene& scene) {
  std::string text("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", 8);
  text += std::string("\x00\x00\x00\x03", 4);
  while (text.size() < 6000) text += static_cast<char>(scene.random());
  return text;
}

void remove_the_journal(Scene& scene) { fs::remove_all(scene.journal(), ignored); }

/// Unless a writer is stopped, a journal lives for a few milliseconds; strikes while there is one.
template <class Strike>
auto at_a_journal(const Strike& strike) {
  return [strike](Scene& scene) {
    for (int i = 0; i < 200'000; ++i) {
      if (::access(scene.journal().c_str(), F_OK) != 0) continue;
      strike(scene);
      return;
    }
  };
}

/// Both lock files, locked completely, as a backup program does.
class LockedFiles {
 public:
  LockedFiles(const Scene& scene, int command) {
    for (const fs::path& file : {scene.side_lock(), scene.key_lock()}) {
      const int descriptor = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
      descriptors_.push_back(descriptor);
      lock(descriptor, command, 0, 2);  // the bytes of the store's lock
      lock(descriptor, command, 2, 0);  // and everything after them
    }
  }
  ~LockedFiles() {
    for (const int descriptor : descriptors_) ::close(descriptor);
  }
  LockedFiles(const LockedFiles&) = delete;
  LockedFiles& operator=(const LockedFiles&) = delete;

 private:
  static void lock(int descriptor, int command, off_t start, off_t length) {
    struct flock range = {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    range.l_start = start;
    range.l_len = length;
    for (int i = 0; i < 20'000 && ::fcntl(descriptor, command, &range) != 0; ++i) ::usleep(20);
  }
  std::vector<int> descriptors_;
};

auto locked_by(int command) {
  return [command](Scene& scene) { scene.held = std::make_shared<LockedFiles>(scene, command); };
}
void let_go(Scene& scene) { scene.held.reset(); }

auto in_place_of_the_locks(std::function<void(const fs::path&)> make) {
  return [make = std::move(make)](Scene& scene) {
    for (const fs::path& file : {scene.side_lock(), scene.key_lock()}) {
      fs::remove(file, ignored);
      make(file);
    }
  };
}
void remove_the_locks(Scene& scene) {
  fs::remove_all(scene.side_lock(), ignored);
  fs::remove_all(scene.key_lock(), ignored);
}

}  // namespace

std::vector<Vandalism> vandalisms_of_journals_and_locks() {
  return {
      {"JournalOfGarbagePlanted", kLoses,
       [](Scene& scene) {
         std::ofstream(scene.journal(), std::ios::binary) << journal_of_garbage(scene);
         ::chmod(scene.journal().c_str(), 0600);
       }},
      {"EmptyJournalPlanted", kKeeps,
       [](Scene& scene) {
         std::ofstream(scene.journal(), std::ios::app) << "";
         ::chmod(scene.journal().c_str(), 0600);
       },
       remove_the_journal},
      {"JournalDeleted", kLoses, at_a_journal([](Scene& scene) { fs::remove(scene.journal(), ignored); })},
      {"JournalTruncated", kLoses,
       at_a_journal([](Scene& scene) { [[maybe_unused]] const int done = ::truncate(scene.journal().c_str(), 700); })},
      {"DirectoryForAJournal", kKeeps, [](Scene& scene) { fs::create_directory(scene.journal(), ignored); },
       remove_the_journal},
      {"PipeForAJournal", kKeeps, [](Scene& scene) { ::mkfifo(scene.journal().c_str(), 0600); }, remove_the_journal},
      {"LinkForAJournal", kKeeps, [](Scene& scene) { fs::create_symlink("/dev/zero", scene.journal(), ignored); },
       remove_the_journal},
      {"LogOfGarbagePlanted", kKeeps,
       [](Scene& scene) {
         for (const char* suffix : {"-wal", "-shm"}) {
           const fs::path file = scene.store().string() + suffix;
           std::ofstream(file, std::ios::binary) << journal_of_garbage(scene);
           ::chmod(file.c_str(), 0600);
         }
       },
       [](Scene& scene) {
         for (const char* suffix : {"-wal", "-shm"}) fs::remove(scene.store().string() + suffix, ignored);
       }},
      {"LocksDeleted", kKeeps, remove_the_locks},
      {"OtherFilesForLocks", kKeeps, in_place_of_the_locks([](const fs::path& file) {
         std::ofstream(file) << "of somebody else";
         ::chmod(file.c_str(), 0400);
       })},
      {"DirectoriesForLocks", kKeeps,
       in_place_of_the_locks([](const fs::path& file) { fs::create_directory(file, ignored); }), remove_the_locks},
      {"PipesForLocks", kKeeps, in_place_of_the_locks([](const fs::path& file) { ::mkfifo(file.c_str(), 0600); }),
       remove_the_locks},
      {"LocksHeldByAnotherProgram", kKeeps, locked_by(F_SETLK), let_go, 7000ms},
      {"LocksHeldThroughAnOpenFile", kKeeps, locked_by(F_OFD_SETLK), let_go, 7000ms},
      {"LocksReplacedWhileHeld", kKeeps,
       [](Scene& scene) {
         locked_by(F_OFD_SETLK)(scene);
         remove_the_locks(scene);
       },
       let_go},
  };
}

}  // namespace attnjit::cache
