// Limits what SQLite may touch: a VFS in front of the process's default one that opens and deletes only the database,
// its rollback journal and its write-ahead log. Internal to cache/.
//
// SQLite trusts the names it finds in files. A journal may name a super-journal, which SQLite then opens and deletes.
// We never ATTACH, so such a journal was planted or left by another program, and the file it names is not ours. Each
// file is checked before it is opened and again after, before any of its content is used. The check opens no
// descriptor, because closing one would drop SQLite's locks on the file.
#pragma once

#include <string>

namespace attnjit::cache {

/// The name to pass to sqlite3_open_v2(). Wraps the current default VFS.
const char* store_vfs();

/// Why this thread was last refused a file, or what was ignored, since the last call; empty if nothing was. SQLite's
/// own message is only "unable to open database file".
std::string take_vfs_remark();

}  // namespace attnjit::cache
