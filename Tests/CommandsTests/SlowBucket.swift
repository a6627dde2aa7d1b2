import Foundation
import Synchronization

/// A stub of an S3 server: an empty bucket that answers an upload only when it is told to.
final class SlowBucket: Sendable {
    let port: UInt16
    private let listener: Int32
    private let state = Mutex((uploads: 0, mayAnswer: false))

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, size) == 0 && listen(descriptor, 16) == 0
                    && getsockname(descriptor, address, &size) == 0
            }
        }
        guard bound else { throw POSIXError(.EADDRNOTAVAIL) }
        port = UInt16(bigEndian: address.sin_port)
        listener = descriptor
        Thread { [weak self] in
            while true {
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0 else { return }
                Thread { [weak self] in
                    self?.serve(connection)
                    close(connection)
                }.start()
            }
        }.start()
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    /// How many uploads of snapshots have arrived: state objects come whenever there is something to say.
    var uploads: Int { state.withLock(\.uploads) }

    /// Lets uploads succeed from now on.
    func answerUploads() { state.withLock { $0.mayAnswer = true } }

    private func serve(_ connection: Int32) {
        var received: [UInt8] = []
        while let request = Self.request(connection, &received) {
            var body = ""
            if request.hasPrefix("PUT ") {
                let target = request.prefix { !$0.isNewline }
                if !target.contains(".state") { state.withLock { $0.uploads += 1 } }
                for _ in 0..<3000 where !state.withLock(\.mayAnswer) { usleep(10_000) }
            } else {
                body =
                    "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                    + "<Name>b</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
            }
            let answer = Array(
                "HTTP/1.1 200 OK\r\nETag: \"stored\"\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
            guard send(connection, answer, answer.count, Int32(MSG_NOSIGNAL)) == answer.count else { return }
        }
    }

    /// Reads one request with its body.
    private static func request(_ connection: Int32, _ received: inout [UInt8]) -> String? {
        var block = [UInt8](repeating: 0, count: 65_536)
        while true {
            let text = String(decoding: received, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let head = String(text[..<end.lowerBound])
                let length = head.split(separator: "\r\n").compactMap { line -> Int? in
                    let parts = line.split(separator: ":", maxSplits: 1)
                    guard parts.count == 2, parts[0].lowercased() == "content-length" else { return nil }
                    return Int(parts[1].trimmingCharacters(in: .whitespaces))
                }.first
                let total = head.utf8.count + 4 + (length ?? 0)
                if received.count >= total {
                    received.removeFirst(total)
                    return head
                }
            }
            let count = recv(connection, &block, block.count, 0)
            guard count > 0 else { return nil }
            received += block[..<count]
        }
    }
}
