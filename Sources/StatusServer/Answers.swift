import HTTPTypes
import HummingbirdCore
import Monitoring
import NIOCore
import Support

import enum HTTP.DaemonProof

/// The answer to each path.
struct Answers: Sendable {
    /// A status and a body of some type, shared by all requests that arrive while it is computed.
    private struct Answer: Sendable {
        var status: HTTPResponse.Status
        var type: String
        var securityPolicy = StatusPage.strictestPolicy
        var body: ByteBuffer

        init(_ status: HTTPResponse.Status, type: String = "text/plain; charset=utf-8", _ body: [UInt8]) {
            self.status = status
            self.type = type
            self.body = ByteBuffer(bytes: body)
        }

        init(_ status: HTTPResponse.Status, line: String) { self.init(status, Array((line + "\n").utf8)) }
    }

    private let answers: [String: SharedAnswer<Answer>]
    private let names: HostNames
    private let source: any StatusSource
    private let reports: SharedAnswer<StatusReport>
    /// Paths for monitoring, which are served for any host name. They contain only numbers and names of checks.
    private static let forAnyName: Set<String> = ["/healthz", "/metrics"]

    /// - Parameter names: host names for which the pages for people are served.
    init(source: any StatusSource, names: HostNames, limits: ServerLimits) {
        self.names = names
        self.source = source
        reports = SharedAnswer(within: limits.making) { await source.report() }
        let makers: [String: @Sendable () async -> Answer] = [
            "/": {
                var answer = Answer(
                    .ok, type: "text/html; charset=utf-8", StatusPage(await source.report()).bytes)
                answer.securityPolicy = StatusPage.securityPolicy
                return answer
            },
            "/healthz": {
                let health = await source.health()
                return Answer(
                    health.isAvailable ? .ok : .serviceUnavailable, type: "application/json; charset=utf-8", health.json
                )
            },
            "/metrics": { Answer(.ok, type: "text/plain; version=0.0.4; charset=utf-8", await source.metrics()) },
            "/status.json": {
                do {
                    let text = try JSON.encode(await source.report(), pretty: true)
                    return Answer(.ok, type: "application/json; charset=utf-8", text + [UInt8(ascii: "\n")])
                } catch {
                    return Answer(.internalServerError, line: "the report cannot be written as JSON: \(error)")
                }
            },
            "/zone": { Answer(.badRequest, line: "name a zone: /zone?name=example.org") },
            "/insync": { Answer(.badRequest, line: "name a zone: /insync?zone=example.org") },
            "/storage": {
                do {
                    return Answer(.ok, Self.listing(try await source.objects()))
                } catch {
                    return Answer(.internalServerError, line: PrintableText.line("\(error)"))
                }
            },
        ]
        // A listing costs a request to the storage.
        answers = Dictionary(
            uniqueKeysWithValues: makers.map { path, make in
                let age = path == "/storage" ? limits.listingAge : .zero
                return (path, SharedAnswer(within: limits.making, for: age, make))
            })
    }

    /// The response to a request. The request's body is not read.
    func response(to request: HTTPRequest) async -> Response {
        var answer: Answer
        var headers = HTTPFields()
        let path = String((request.path ?? "/").prefix { $0 != "?" })
        let zone = ZoneQuery.name(in: request.path ?? "/")
        if !names.contain(request.authority), !Self.forAnyName.contains(path) {
            let name = PrintableText.line(HostNames.host(of: request.authority ?? ""), longest: 100)
            answer = Answer(
                .misdirectedRequest,
                line: "\(name) is not known as a name of this host; use its IP address, or add the name to "
                    + "http.allowed_hosts")
        } else if let known = answers[path] {
            if request.method == .get || request.method == .head {
                if let found = await zoneAnswer(path, zone, query: request.path ?? "/") {
                    answer = found
                } else {
                    answer =
                        await known.value()
                        ?? Answer(.serviceUnavailable, line: "this takes too long; try again later")
                }
                if answer.status == .serviceUnavailable, path == "/storage" { answer.status = .internalServerError }
            } else {
                answer = Answer(.methodNotAllowed, line: "only GET and HEAD are allowed")
                headers[.allow] = "GET, HEAD"
            }
        } else {
            answer = Answer(
                .notFound,
                line: "not found; try /, /status.json, /zone?name=, /insync?zone=, /metrics, /healthz or /storage")
        }
        if path == "/status.json" || path == "/insync", let proof = proof(of: answer.body, for: request) {
            headers[proof.name] = proof.value
        }
        headers[.contentType] = answer.type
        headers[.cacheControl] = "no-store"
        headers[.contentSecurityPolicy] = answer.securityPolicy
        headers[.xContentTypeOptions] = "nosniff"
        if let policy = HTTPField.Name("Referrer-Policy") { headers[policy] = "no-referrer" }
        if let policy = HTTPField.Name("Cross-Origin-Resource-Policy") { headers[policy] = "same-origin" }
        headers[.contentLength] = String(answer.body.readableBytes)
        if !Self.keepsConnection(request) { headers[.connection] = "close" }
        let body = request.method == .head ? ResponseBody() : ResponseBody(byteBuffer: answer.body)
        return Response(status: answer.status, headers: headers, body: body)
    }

    /// The answer to a request for a zone; nil if the path does not take a zone.
    private func zoneAnswer(_ path: String, _ name: String?, query: String) async -> Answer? {
        guard let name else { return nil }
        if path == "/insync" { return await inSyncAnswer(name, query) }
        guard path == "/zone" || path == "/" else { return nil }
        let zone = await source.zone(name)
        guard path == "/" else {
            guard let zone else { return Answer(.notFound, line: "no PowerDNS database is configured") }
            guard let text = try? JSON.encode(zone, pretty: true) else { return nil }
            return Answer(
                zone.problem == nil ? .ok : .notFound, type: "application/json; charset=utf-8",
                text + [UInt8(ascii: "\n")])
        }
        guard let zone, let report = await reports.value() else { return nil }
        var answer = Answer(.ok, type: "text/html; charset=utf-8", StatusPage(report, zone: zone).bytes)
        answer.securityPolicy = StatusPage.securityPolicy
        return answer
    }

    private func inSyncAnswer(_ name: String, _ query: String) async -> Answer? {
        let (ticket, except) = (ZoneQuery.ticket(in: query), ZoneQuery.except(in: query))
        guard let found = await source.inSync(name, ticket: ticket, except: except) else {
            return Answer(.notFound, line: "no PowerDNS database is configured")
        }
        guard let text = try? JSON.encode(found, pretty: true) else { return nil }
        let status: HTTPResponse.Status =
            switch found.state {
            case .inSync: .ok
            case .waiting: .tooEarly
            case .noZone, .impossible: .notFound
            case .unknown: .serviceUnavailable
            }
        return Answer(status, type: "application/json; charset=utf-8", text + [UInt8(ascii: "\n")])
    }

    private func proof(of body: ByteBuffer, for request: HTTPRequest) -> HTTPField? {
        guard let nonceName = HTTPField.Name(DaemonProof.nonceHeader), let nonce = request.headerFields[nonceName],
            let name = HTTPField.Name(DaemonProof.proofHeader),
            let proof = source.proof(nonce: nonce, of: Array(body.readableBytesView))
        else { return nil }
        return HTTPField(name: name, value: proof)
    }

    // Bodies are not read, so the data after a body cannot be distinguished from it.
    static func keepsConnection(_ request: HTTPRequest) -> Bool {
        let fields = request.headerFields
        if fields[.transferEncoding] != nil { return false }
        if let length = fields[.contentLength], length != "0" { return false }
        return !(fields[.connection] ?? "").lowercased().contains("close")
    }

    private static func listing(_ objects: [(name: String, size: Int)]) -> [UInt8] {
        var text = Array("Name\tSize\n".utf8)
        for object in objects {
            text += PrintableText.line(object.name).utf8
            text += "\t\(object.size)\n".utf8
        }
        return text
    }
}
