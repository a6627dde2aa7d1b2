import Glibc
import Support
import Testing

/// A TCP client that does nothing on its own: what it sends and reads is what the test says.
final class Client: Sendable {
    private static let pool = BlockingPool(label: "client", width: 64)
    private let descriptor: Int32

    /// Connects to a port of the loopback interface.
    init(_ port: UInt16, address: String = "127.0.0.1") async throws {
        descriptor = try await Self.pool.run { _ in try Self.connect(port, address) }
    }

    deinit { Glibc.close(descriptor) }

    /// Sends text; false when the other side is gone or takes nothing any more.
    @discardableResult
    func send(_ text: String) async -> Bool { await send(Array(text.utf8)) }

    @discardableResult
    func send(_ bytes: [UInt8]) async -> Bool {
        let sent = try? await Self.pool.run { [descriptor] _ in
            var done = 0
            while done < bytes.count {
                let count = bytes.withUnsafeBytes {
                    Glibc.send(
                        descriptor, $0.baseAddress?.advanced(by: done), bytes.count - done, Int32(MSG_NOSIGNAL)
                    )
                }
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
        return sent ?? false
    }

    /// Breaks the connection, also for a call that sends just now.
    func close() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Says that nothing more will be sent.
    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// What comes until `isEnough` says so, or until the end of the connection; nil when neither happens in 20 s.
    func read(until isEnough: @escaping @Sendable ([UInt8]) -> Bool = { _ in false }) async -> [UInt8]? {
        let got = try? await Self.pool.run { [descriptor] _ -> [UInt8]? in
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            while !isEnough(all) {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                if count < 0, errno == EAGAIN || errno == EWOULDBLOCK { return nil }
                // A reset is an end too.
                guard count > 0 else { return all }
                all += buffer[..<count]
            }
            return all
        }
        return got ?? nil
    }

    private static func connect(_ port: UInt16, _ address: String) throws -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICHOST
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address, String(port), &hints, &found) == 0, let entry = found?.pointee else {
            throw SystemError("resolve", address, code: EINVAL)
        }
        defer { freeaddrinfo(found) }
        let descriptor = socket(entry.ai_family, entry.ai_socktype, 0)
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard Glibc.connect(descriptor, entry.ai_addr, entry.ai_addrlen) == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw SystemError("connect to", address, code: code)
        }
        return descriptor
    }
}

/// An answer, taken apart.
struct Reply {
    var status: Int
    var fields: [String: String]
    var body: String

    init?(_ bytes: [UInt8]?) {
        guard let bytes else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        let words = (lines.first ?? "").split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]) else { return nil }
        self.status = status
        fields = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            fields[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        body = String(text[end.upperBound...])
    }
}

/// Sends one request on a connection of its own and reads the answer to its end.
func exchange(
    _ port: UInt16, _ path: String, method: String = "GET", address: String = "127.0.0.1", host: String = "localhost"
) async throws -> Reply {
    let client = try await Client(port, address: address)
    await client.send("\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n")
    return try #require(Reply(await client.read()))
}

/// Waits until something is so, for at most 20 s.
func eventually(_ isSo: () async -> Bool) async -> Bool {
    let end = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < end {
        if await isSo() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return false
}
