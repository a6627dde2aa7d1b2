import Glibc

/// The mode of a new file with keys in it, before the umask: for its owner only, and for the group to read where the
/// directory has the set-group-ID bit, by which its owner shares it with that group.
package func newFileMode(in directory: String) -> mode_t {
    var status = stat()
    let isShared = stat(directory, &status) == 0 && status.st_mode & S_ISGID != 0
    return isShared ? 0o640 : 0o600
}
