import Glibc
import Support

extension Environment {
    /// Makes an empty LMDB for what does not fit into memory.
    ///
    /// Its files have no names any more when this returns, so that they are gone with the process, however it ends.
    ///
    /// - Parameters:
    ///   - mapSize: the most that it may take, in bytes.
    ///   - directory: where temporary files belong.
    /// - Throws: `SystemError` or `LMDBError` when there is no room for it.
    package static func temporary(
        mapSize: Int, directory: String = SpoolWriter.temporaryDirectory
    ) throws -> Environment {
        var template = Array("\(directory)/lightningstream.XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw SystemError("create", "a directory in \(directory) (TMPDIR names another one)")
        }
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let options = EnvironmentOptions(
            path: path, create: true, directoryMode: 0o700, fileMode: 0o600, mapSize: mapSize, maximumDatabases: 4096)
        defer {
            unlink(options.dataFile)
            unlink(options.lockFile)
            rmdir(path)
        }
        return try Environment(options)
    }
}
