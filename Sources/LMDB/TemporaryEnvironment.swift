import Glibc
import Support

extension Environment {
    /// Creates an empty temporary LMDB for data that do not fit into memory.
    ///
    /// Its files have no names, so the kernel removes them with the process.
    ///
    /// - Parameters:
    ///   - mapSize: the maximum size, in bytes.
    ///   - directory: the directory of temporary files.
    /// - Throws: `SystemError` or `LMDBError` if there is not enough space.
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
