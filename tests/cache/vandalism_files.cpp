#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/cache/vandalism.h"

namespace attnjit::cache {
namespace {

namespace fs = std::filesystem;
using enum Vandalism::Kernels;

// Anything may be gone by the time it is attacked, so no error counts.
std::error_code ignored;

std::string garbage(Scene& scene, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (char& letter : text) letter = static_cast<char>(scene.random());
  return text;
}

/// In place: it stays the same file.
void overwrite(const fs::path& file, off_t offset, const std::string& bytes) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  [[maybe_unused]] const ssize_t written = ::pwrite(descriptor, bytes.data(), bytes.size(), offset);
  ::close(descriptor);
}

off_t size_of(const fs::path& file) {
  const auto size = fs::file_size(file, ignored);
  return ignored ? 0 : static_cast<off_t>(size);
}

auto truncated_to(double share, off_t bytes = 0) {
  return [share, bytes](Scene& scene) {
    const auto size = static_cast<double>(size_of(scene.store()));
    [[maybe_unused]] const int done = ::truncate(scene.store().c_str(), static_cast<off_t>(size * share) + bytes);
  };
}

/// Something else takes the store's name; the original is restored at the end.
auto in_place_of_the_store(std::function<void(const fs::path&)> make) {
  return [make = std::move(make)](Scene& scene) {
    fs::rename(scene.store(), scene.away(), ignored);
    make(scene.store());
  };
}
void put_back(Scene& scene) {
  fs::remove_all(scene.store(), ignored);
  fs::rename(scene.away(), scene.store(), ignored);
}

auto with_mode(const char* what, mode_t mode) {
  return [name = std::string(what), mode](Scene& scene) { ::chmod((scene.directory / name).c_str(), mode); };
}

void make_database_of_another_program(const fs::path& file) {
  sqlite3* database = nullptr;
  if (sqlite3_open(file.c_str(), &database) == SQLITE_OK) {
    sqlite3_exec(database, "PRAGMA application_id = 7; CREATE TABLE notes(text); INSERT INTO notes VALUES('mine')",
                 nullptr, nullptr, nullptr);
  }
  sqlite3_close(database);
}

void set_time(const fs::path& file, time_t seconds) {
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  ::utimensat(AT_FDCWD, file.c_str(), times, 0);
}

}  // namespace

std::vector<Vandalism> vandalisms_of_files() {
  return {
      {"StoreDeleted", kLoses, [](Scene& scene) { fs::remove(scene.store(), ignored); }},
      {"AllFilesDeleted", kLoses,
       [](Scene& scene) {
         for (const auto& file : fs::directory_iterator(scene.directory, ignored)) fs::remove(file.path(), ignored);
       }},
      {"TruncatedToNothing", kLoses, truncated_to(0)},
      {"TruncatedInItsHeader", kLoses, truncated_to(0, 50)},
      {"TruncatedInTheMiddle", kLoses, truncated_to(0.5, 1000)},
      {"TruncatedByAByte", kLoses, truncated_to(1, -1)},
      {"GarbageAtItsBeginning", kLoses, [](Scene& scene) { overwrite(scene.store(), 0, garbage(scene, 200)); }},
      {"GarbageInTheMiddle", kLoses,
       [](Scene& scene) { overwrite(scene.store(), size_of(scene.store()) / 2, garbage(scene, 20'000)); }},
      {"GarbageAltogether", kLoses,
       [](Scene& scene) {
         overwrite(scene.store(), 0, garbage(scene, static_cast<std::size_t>(size_of(scene.store()))));
       }},
      {"ZerosAltogether", kLoses,
       [](Scene& scene) {
         overwrite(scene.store(), 0, std::string(static_cast<std::size_t>(size_of(scene.store())), '\0'));
       }},
      {"AByteFlipped", kLoses,
       [](Scene& scene) {
         const off_t size = size_of(scene.store());
         if (size > 0) overwrite(scene.store(), static_cast<off_t>(scene.random()) % size, garbage(scene, 1));
       }},
      {"DatabaseOfAnotherProgram", kLoses, in_place_of_the_store(make_database_of_another_program)},
      {"DirectoryInItsPlace", kKeeps,
       in_place_of_the_store([](const fs::path& name) { fs::create_directories(name / "full", ignored); }), put_back},
      {"PipeInItsPlace", kKeeps, in_place_of_the_store([](const fs::path& name) { ::mkfifo(name.c_str(), 0600); }),
       put_back},
      {"LinkToNothingInItsPlace", kKeeps,
       in_place_of_the_store([](const fs::path& name) { fs::create_symlink("nothing", name, ignored); }), put_back},
      {"LinkToItselfInItsPlace", kKeeps, in_place_of_the_store([](const fs::path& name) {
         fs::create_symlink(name.parent_path().parent_path() / "away", name, ignored);
       }),
       put_back},
      {"SecondName", kKeeps, [](Scene& scene) { fs::create_hard_link(scene.store(), scene.away(), ignored); },
       [](Scene& scene) { fs::remove(scene.away(), ignored); }},
      {"ModeOfTheStore0", kKeeps, with_mode("kernels-v1.sqlite", 0), with_mode("kernels-v1.sqlite", 0600)},
      {"ModeOfTheStore0777", kKeeps, with_mode("kernels-v1.sqlite", 0777), with_mode("kernels-v1.sqlite", 0600)},
      {"ModeOfTheFolder0", kKeeps, with_mode("", 0), with_mode("", 0700)},
      {"ModeOfTheFolder0777", kKeeps, with_mode("", 0777), with_mode("", 0700)},
      {"FolderRenamed", kKeeps, [](Scene& scene) { fs::rename(scene.directory, scene.away(), ignored); },
       [](Scene& scene) { fs::rename(scene.away(), scene.directory, ignored); }},
      {"FolderRemoved", kLoses, [](Scene& scene) { fs::remove_all(scene.directory, ignored); },
       [](Scene& scene) {
         fs::create_directory(scene.directory, ignored);
         ::chmod(scene.directory.c_str(), 0700);
       }},
      {"FolderSwappedForAnother", kHides,
       [](Scene& scene) {
         fs::rename(scene.directory, scene.away(), ignored);
         fs::create_directory(scene.directory, ignored);
         ::chmod(scene.directory.c_str(), 0700);
       },
       [](Scene& scene) {
         fs::rename(scene.directory, scene.directory.parent_path() / "other", ignored);
         fs::rename(scene.away(), scene.directory, ignored);
       }},
      {"StoreSwappedForAnOlderCopy", kLoses,
       [](Scene& scene) {
         // As restored from a backup that was taken while the file was being written.
         fs::copy_file(scene.store(), scene.away(), fs::copy_options::overwrite_existing, ignored);
         ::chmod(scene.away().c_str(), 0600);
         fs::rename(scene.away(), scene.store(), ignored);
       }},
      {"TimesOfTheFuture", kKeeps,
       [](Scene& scene) {
         for (const fs::path& file : {scene.store(), scene.side_lock(), scene.key_lock(), scene.directory}) {
           set_time(file, 4'102'444'800);
         }
       }},
      {"FolderInTheWayOfTheDamagedFile", kLoses,
       [](Scene& scene) {
         fs::create_directories(scene.directory / "kernels-v1.sqlite.bad/full", ignored);
         overwrite(scene.store(), 0, garbage(scene, 5000));
       },
       [](Scene& scene) { fs::remove_all(scene.directory / "kernels-v1.sqlite.bad", ignored); }},
      // Only if the scene has its own file system; elsewhere the test leaves it out.
      {"DiskFull", kKeeps,
       [](Scene& scene) {
         std::ofstream ballast(scene.away(), std::ios::binary);
         const std::string block(4096, 'x');
         while (ballast << block << std::flush) {
         }
       },
       [](Scene& scene) { fs::remove(scene.away(), ignored); }},
  };
}

}  // namespace attnjit::cache
