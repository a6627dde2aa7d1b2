import CCurl
import Support

/// The state of libcurl's callbacks during one transfer, used on the thread that performs it.
final class CurlTransfer {
    private(set) var answer = HTTPAnswer()
    /// Incremented with every progress; only changes are meaningful.
    private(set) var moved = 0
    /// Why a callback stopped the transfer.
    private(set) var error: (any Error)?
    /// Whether the transfer was stopped because enough of an error's body has arrived.
    private(set) var hasEnough = false

    private static let largestErrorBody = 64 << 10
    private static let largestHead = 256 << 10

    private let body: HTTPRequest.Body?
    private let spoolsAnswer: Bool
    private let largestAnswer: Int
    private let largestSpool: Int
    private var headBytes = 0
    private let md5InHeaders: (@Sendable ([String: String]) -> String?)?
    private let progress: TransferProgress.Report?
    private let receive: HTTPRequest.Receive?
    /// The progress reported so far.
    private var reported = 0
    private var sent = 0
    private var hasWholeHead = false
    private var writer: SpoolWriter?
    private var md5: Digest?
    private var expectedMD5 = ""

    init(_ request: HTTPRequest, largestAnswer: Int) {
        body = request.body
        spoolsAnswer = request.spoolsAnswer
        largestSpool = request.largestSpool
        self.largestAnswer = largestAnswer
        md5InHeaders = request.expectedMD5
        progress = request.progress
        receive = request.receive
    }

    private func report(_ count: Int, of total: Int? = nil) {
        guard let progress else { return }
        reported += count
        progress(count, total)
    }

    /// Withdraws the reported progress of a failed attempt.
    func takeBackProgress() { report(-reported) }

    /// The transfer passed to libcurl as callback context.
    static func at(_ context: UnsafeMutableRawPointer?) -> CurlTransfer? {
        context.map { Unmanaged<CurlTransfer>.fromOpaque($0).takeUnretainedValue() }
    }

    /// The answer, when the transfer is complete.
    func finish() throws -> HTTPAnswer {
        // libcurl takes the end of the connection for the end of the headers.
        guard hasWholeHead else { throw TransferFailure(reason: .broken, detail: "the answer ended in its headers") }
        guard spoolsAnswer, (200..<300).contains(answer.status) else { return answer }
        let writer = self.writer.take() ?? SpoolWriter()
        let spool = try writer.finish()
        if let length = answer.headers["content-length"], Int(length) != spool.count {
            throw TransferFailure(reason: .broken, detail: "received \(spool.count) of \(length) bytes")
        }
        if let digest = md5.take() {
            let actual = hexadecimal(digest.finish())
            if actual != expectedMD5 { answer.unexpectedMD5 = actual }
        }
        answer.spool = spool
        return answer
    }

    func send(into buffer: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
        guard let body, let buffer else { return 0 }
        do {
            let wanted = min(count, body.range.count - sent)
            let part = try body.spool.read(
                at: body.range.lowerBound + sent, into: UnsafeMutableRawBufferPointer(start: buffer, count: wanted))
            sent += part
            moved += 1
            report(part)
            return part
        } catch {
            self.error = error
            return Int(CURL_READFUNC_ABORT)
        }
    }

    /// libcurl rewinds a body when a reused connection turns out to be closed.
    func seek(to offset: Int, from origin: Int32) -> Int32 {
        guard origin == 0, let body, (0...body.range.count).contains(offset) else { return Int32(CURL_SEEKFUNC_FAIL) }
        report(offset - sent)
        sent = offset
        return Int32(CURL_SEEKFUNC_OK)
    }

    func takeHeader(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
        moved += 1
        headBytes += count
        guard headBytes <= Self.largestHead else {
            error = TransferFailure(
                reason: .tooLarge, detail: "the headers are larger than \(Self.largestHead >> 10) KiB")
            return -1
        }
        let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
        if line == "\r\n" || line == "\n" {
            hasWholeHead = true
            answer.receivedAt = systemWallClock()
            return pass(UnsafeRawBufferPointer(start: nil, count: 0)) ? count : -1
        } else if line.hasPrefix("HTTP/") {
            hasWholeHead = false
            // Of several headers (after 100 Continue) the last one counts.
            answer.headers = [:]
            answer.status =
                line.utf8.split(separator: UInt8(ascii: " ")).dropFirst().first
                .flatMap { String($0) }.flatMap { Int($0) } ?? 0
        } else if let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")), answer.headers.count < 200 {
            let value = line.utf8[line.utf8.index(after: colon)...].drop { $0 == 0x20 || $0 == 0x09 }
                .prefix { $0 != 0x0d && $0 != 0x0a }
            answer.headers[line[..<colon].lowercased()] = String(value) ?? ""
        }
        return count
    }

    func takeBody(_ bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
        moved += 1
        let bytes = UnsafeRawBufferPointer(start: bytes, count: count)
        if receive != nil, (200..<300).contains(answer.status) { return pass(bytes) ? count : -1 }
        do {
            if spoolsAnswer, (200..<300).contains(answer.status) {
                if writer == nil { try begin() }
                try checkSpool((writer?.count ?? 0) + count)
                try writer?.write(bytes)
                md5?.update(bytes)
                report(count, of: answer.headers["content-length"].flatMap { Int($0) })
            } else if !(200..<300).contains(answer.status) {
                answer.body += bytes.prefix(Self.largestErrorBody - answer.body.count)
                hasEnough = answer.body.count == Self.largestErrorBody
                if hasEnough { return -1 }
            } else {
                guard answer.body.count + count <= largestAnswer else {
                    throw TransferFailure(
                        reason: .tooLarge, detail: "the answer is larger than \(largestAnswer >> 10) KiB")
                }
                answer.body += bytes
            }
            return count
        } catch {
            self.error = error
            return -1
        }
    }

    /// Passes bytes on to who receives them, if anybody does.
    ///
    /// - Returns: false if the transfer ends.
    private func pass(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let receive, (200..<300).contains(answer.status) else { return true }
        do {
            try receive(answer.headers, bytes)
            return true
        } catch {
            self.error = error
            return false
        }
    }

    private func checkSpool(_ count: Int) throws {
        guard count <= largestSpool else {
            throw TransferFailure(
                reason: .tooLarge, detail: "it is larger than the expected \(largestSpool) bytes")
        }
    }

    private func begin() throws {
        if let length = answer.headers["content-length"].flatMap({ Int($0) }) { try checkSpool(length) }
        writer = SpoolWriter()
        expectedMD5 = md5InHeaders?(answer.headers) ?? ""
        if !expectedMD5.isEmpty { md5 = Digest(.md5) }
    }
}
