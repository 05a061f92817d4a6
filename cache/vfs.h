// What SQLite may touch: a VFS in front of the process's default one that opens and deletes the database, its rollback
// journal and its write-ahead log, and nothing else. Internal to cache/.
//
// SQLite believes the names that it finds in files. A journal may name a super-journal, which SQLite then opens, and
// deletes; we never ATTACH, so such a journal was planted, or left by another program, and the file that it names is
// none of ours. Each file is looked at before it is opened and after, before anything of it is believed; the look takes
// no descriptor, because closing one would drop SQLite's locks on the file.
#pragma once

#include <string>

namespace attnjit::cache {

/// The name to give to sqlite3_open_v2(). It stands in front of what is the default VFS now.
const char* store_vfs();

/// Why this thread was last refused a file, or what was ignored, since it was last asked; empty if nothing was.
/// SQLite's own message is "unable to open database file".
std::string take_vfs_remark();

}  // namespace attnjit::cache
