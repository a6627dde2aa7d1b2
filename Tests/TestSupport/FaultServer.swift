import Foundation
import Synchronization

/// An HTTP server on 127.0.0.1 that answers what a test wants, in the way it wants, or passes requests on to a
/// real server and spoils the answers.
package final class FaultServer: Sendable {
    /// What came.
    package struct Request: Sendable {
        /// GET, PUT and so on.
        package var method: String
        /// With query.
        package var target: String
        /// Names in lower case.
        package var headers: [String: String]
        /// Without what comes after it.
        package var body: [UInt8]
        /// Everything, as it came.
        package var raw: [UInt8]
    }

    /// What a test wants to happen.
    package enum Reply: Sendable {
        /// Status line, headers and body; Content-Length is added unless given.
        case answer(Int, [String: String] = [:], String = "")
        /// The answer of the real server, whole.
        case forward
        /// Only this many bytes of the real server's answer, then the end of the connection.
        case forwardCut(bytes: Int)
        /// The real server's answer with a pause after each 64 KiB.
        case forwardSlowly(pause: Duration)
        /// The real server's answer until after this many bytes nothing more comes.
        case forwardStalled(bytes: Int)
        /// A beginning, and then a part again and again until the client goes away.
        case endless(String, then: String)
        /// Bytes as they are, then the end of the connection.
        case raw(String)
        /// As ``raw(_:)``, of any bytes.
        case bytes([UInt8])
        /// The connection is reset (RST) in place of an answer.
        case reset
        /// Bytes as they are, and then nothing until the client goes away.
        case held(String)
        /// Nothing, until the client goes away.
        case silence
    }

    private struct State {
        var requests: [Request] = []
        var connections = 0
        var endlessBytes = 0
        var open: Set<Int32> = []
        var stopped = false
    }

    /// Where it listens.
    package let port: UInt16
    private let upstream: UInt16
    private let listener: Int32
    private let state = Mutex(State())
    private let reply: @Sendable (Request, Int) -> Reply

    /// As a URL.
    package var endpoint: String { "http://127.0.0.1:\(port)" }
    /// All that came so far.
    package var requests: [Request] { state.withLock { $0.requests } }
    /// How many bytes the endless answers have had so far.
    package var endlessBytes: Int { state.withLock { $0.endlessBytes } }
    /// How many were made.
    package var connections: Int { state.withLock { $0.connections } }

    /// Starts.
    ///
    /// - Parameters:
    ///   - upstream: the URL of the real server.
    ///   - reply: gets a request, and how many there were before.
    package init(upstream: String = "", _ reply: @escaping @Sendable (Request, Int) -> Reply) throws {
        self.reply = reply
        self.upstream = upstream.split(separator: ":").last.flatMap { UInt16($0) } ?? 0
        (listener, port) = try listenOnFreePort(backlog: 100)
        Thread { [self] in acceptAll() }.start()
    }

    /// Ends all connections.
    package func stop() {
        let open = state.withLock { state in
            state.stopped = true
            return state.open
        }
        shutdown(listener, Int32(SHUT_RDWR))
        for descriptor in open { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    private func acceptAll() {
        while true {
            let descriptor = accept(listener, nil, nil)
            if descriptor < 0 { break }
            let stopped = state.withLock { state in
                state.connections += 1
                state.open.insert(descriptor)
                return state.stopped
            }
            if stopped { shutdown(descriptor, Int32(SHUT_RDWR)) }
            Thread { [self] in
                setReceiveTimeout(descriptor, seconds: 60)
                while let request = readRequest(descriptor), answer(request, descriptor) {}
                state.withLock { _ = $0.open.remove(descriptor) }
                close(descriptor)
            }.start()
        }
        close(listener)
    }

    /// Whether the connection goes on.
    private func answer(_ request: Request, _ descriptor: Int32) -> Bool {
        let number = state.withLock { state in
            state.requests.append(request)
            return state.requests.count - 1
        }
        switch reply(request, number) {
        case .answer(let status, let headers, let body):
            var head = "HTTP/1.1 \(status) Text\r\n"
            for (name, value) in headers { head += "\(name): \(value)\r\n" }
            if headers["Content-Length"] == nil { head += "Content-Length: \(body.utf8.count)\r\n" }
            let bytes = Array((head + "\r\n" + (request.method == "HEAD" ? "" : body)).utf8)
            return send(bytes, to: descriptor) && headers["Connection"] != "close"
        case .forward:
            _ = send(forwarded(request), to: descriptor)
        case .forwardCut(let count):
            _ = send(Array(forwarded(request).prefix(count)), to: descriptor)
        case .forwardSlowly(let pause):
            var rest = forwarded(request)[...]
            while !rest.isEmpty, send(Array(rest.prefix(64 << 10)), to: descriptor) {
                rest = rest.dropFirst(64 << 10)
                usleep(UInt32(pause / .microseconds(1)))
            }
        case .forwardStalled(let count):
            _ = send(Array(forwarded(request).prefix(count)), to: descriptor)
            waitForEnd(descriptor)
        case .endless(let head, let part):
            var goesOn = send(Array(head.utf8), to: descriptor)
            let block = Array(String(repeating: part, count: max(1, (16 << 10) / part.utf8.count)).utf8)
            while goesOn {
                goesOn = send(block, to: descriptor)
                state.withLock { $0.endlessBytes += block.count }
            }
        case .raw(let text):
            _ = send(Array(text.utf8), to: descriptor)
        case .bytes(let bytes):
            _ = send(bytes, to: descriptor)
        case .reset:
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        case .held(let text):
            _ = send(Array(text.utf8), to: descriptor)
            waitForEnd(descriptor)
        case .silence:
            waitForEnd(descriptor)
        }
        return false
    }

    /// The real server's answer, all of it.
    private func forwarded(_ request: Request) -> [UInt8] {
        guard let descriptor = connectTo(port: upstream) else { return [] }
        defer { close(descriptor) }
        setReceiveTimeout(descriptor, seconds: 60)
        // Connection is not signed, so it can be added.
        let lineEnd = (request.raw.firstIndex(of: 0x0a) ?? 0) + 1
        let message = request.raw[..<lineEnd] + Array("Connection: close\r\n".utf8) + request.raw[lineEnd...]
        guard send(Array(message), to: descriptor) else { return [] }
        var answer: [UInt8] = []
        while let part = receive(descriptor) { answer += part }
        return answer
    }

    private func readRequest(_ descriptor: Int32) -> Request? {
        var bytes: [UInt8] = []
        var bodyStart: Int?
        while bodyStart == nil {
            guard let part = receive(descriptor) else { return nil }
            bytes += part
            bodyStart = bytes.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound
        }
        let start = bodyStart ?? 0
        let lines = String(decoding: bytes[..<start], as: UTF8.self).components(separatedBy: "\r\n")
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        while bytes.count < start + length {
            guard let part = receive(descriptor) else { return nil }
            bytes += part
        }
        let first = lines[0].split(separator: " ")
        guard first.count == 3 else { return nil }
        return Request(
            method: String(first[0]), target: String(first[1]), headers: headers,
            body: Array(bytes[start..<start + length]), raw: Array(bytes[..<(start + length)]))
    }
}

/// Listens, but only the kernel answers.
package final class DeafServer {
    /// Where it listens.
    package let port: UInt16
    private var descriptors: [Int32]

    /// Starts.
    ///
    /// - Parameter acceptsConnections: otherwise even connecting gets no answer.
    package init(acceptsConnections: Bool) throws {
        let listener = try listenOnFreePort(backlog: acceptsConnections ? 100 : 0)
        port = listener.port
        descriptors = [listener.descriptor]
        // Linux drops further attempts once the queue is full.
        for _ in 0..<(acceptsConnections ? 0 : 8) {
            let one = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
            _ = withLocalAddress(port) { connect(one, $0, $1) }
            descriptors.append(one)
        }
    }

    deinit { for descriptor in descriptors { close(descriptor) } }
}

private func withLocalAddress<Result>(
    _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
) -> Result {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
}

private func listenOnFreePort(backlog: Int32) throws -> (descriptor: Int32, port: UInt16) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0, withLocalAddress(0, { bind(descriptor, $0, $1) }) == 0, listen(descriptor, backlog) == 0
    else { throw SetupFailure(description: "cannot listen on 127.0.0.1: \(String(cString: strerror(errno)))") }
    var address = sockaddr_in()
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    return (descriptor, UInt16(bigEndian: address.sin_port))
}

/// A port that nobody listens on.
package func closedPort() throws -> UInt16 {
    let (descriptor, port) = try listenOnFreePort(backlog: 1)
    close(descriptor)
    return port
}

private func connectTo(port: UInt16) -> Int32? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if withLocalAddress(port, { connect(descriptor, $0, $1) }) == 0 { return descriptor }
    close(descriptor)
    return nil
}

private func setReceiveTimeout(_ descriptor: Int32, seconds: Int) {
    var limit = timeval(tv_sec: seconds, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
}

private func receive(_ descriptor: Int32) -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 256 << 10)
    let count = recv(descriptor, &buffer, buffer.count, 0)
    return count > 0 ? Array(buffer[..<count]) : nil
}

private func send(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var done = 0
    while done < bytes.count {
        let count = bytes[done...].withUnsafeBytes {
            send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
        }
        if count <= 0 { return false }
        done += count
    }
    return true
}

private func waitForEnd(_ descriptor: Int32) {
    while receive(descriptor) != nil {}
}

/// What a test needs is not there.
package struct SetupFailure: Error, CustomStringConvertible {
    /// What is missing.
    package let description: String

    /// The error.
    package init(description: String) { self.description = description }
}
