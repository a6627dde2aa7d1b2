import Glibc

/// The mode of a new file with secrets, before the umask: readable by its owner only, and by the group if the
/// directory has the set-group-ID bit, with which its owner shares it.
package func newFileMode(in directory: String) -> mode_t {
    var status = stat()
    let isShared = stat(directory, &status) == 0 && status.st_mode & S_ISGID != 0
    return isShared ? 0o640 : 0o600
}
