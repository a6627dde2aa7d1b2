import HTTP
import Support

/// The role of an EC2 instance, from its metadata service, version 2 (IMDSv2): with a session token, and never without one.
///
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>
struct InstanceRole: Sendable, Equatable {
    var service: ServiceURL
    /// Timeout of connecting and of an answer; nil for the defaults.
    var timeout: Duration?
    var attempts = 1

    var origin: CredentialOrigin { .instance(service: service.place) }

    /// Seconds for which the session token is valid: it is used at once.
    private static let tokenLifetime = 300
    private static let roles = "/latest/meta-data/iam/security-credentials/"

    /// The service as the environment says; nil if it is not to be asked.
    static func found(_ environment: (String) -> String?) throws(CredentialSetting) -> InstanceRole? {
        func variable(_ name: String) -> String { keyText(environment(name) ?? "") }
        guard variable("AWS_EC2_METADATA_DISABLED").lowercased() != "true" else { return nil }
        let named = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
        let isIPv6 = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").lowercased() == "ipv6"
        let usual = isIPv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254"
        let given = variable(named)
        guard let service = ServiceURL(given.isEmpty ? usual : given), !service.path.contains("?") else {
            throw .badURL(named)
        }
        let seconds = Double(variable("AWS_METADATA_SERVICE_TIMEOUT")).flatMap { $0 > 0 && $0 <= 60 ? $0 : nil }
        let attempts = Int(variable("AWS_METADATA_SERVICE_NUM_ATTEMPTS")).map { min(max($0, 1), 10) }
        return InstanceRole(service: service, timeout: seconds.map { .seconds($0) }, attempts: attempts ?? 1)
    }

    /// - Throws: ``CredentialFailure/Problem``, or `CancellationError`.
    func fetch(_ cancellation: CancellationSignal) throws -> IssuedCredentials {
        for _ in 1..<attempts {
            do {
                return try fetchOnce(cancellation)
            } catch let problem as CredentialFailure.Problem where problem.isTransient {}
        }
        return try fetchOnce(cancellation)
    }

    private func fetchOnce(_ cancellation: CancellationSignal) throws -> IssuedCredentials {
        let client = CredentialClient.near(timeout: timeout)
        let lifetime = [(name: "X-aws-ec2-metadata-token-ttl-seconds", value: "\(Self.tokenLifetime)")]
        let answer = try client.send("PUT", service.text("/latest/api/token"), lifetime, cancellation)
        if [403, 404, 405].contains(answer.status) {
            throw CredentialFailure.Problem.noSessionTokens(status: answer.status)
        }
        let token = try Self.line(answer, of: "session token")
        let session = [(name: "X-aws-ec2-metadata-token", value: token)]
        let list = try client.send("GET", service.text(Self.roles), session, cancellation)
        if list.status == 404 { throw CredentialFailure.Problem.noRole }
        let role = try Self.line(list, of: "role", hiding: [token])
        let keys = try client.send("GET", service.text(Self.roles + percentEncoded(role)), session, cancellation)
        return try IssuedCredentials(json: keys, hiding: [token])
    }

    /// The first line of an answer, which is a word.
    private static func line(
        _ answer: HTTPAnswer, of subject: String, hiding secrets: [String] = []
    ) throws(CredentialFailure.Problem) -> String {
        guard answer.status == 200 else { throw .refused(answer.status, "", "", hiding: secrets) }
        let text = keyText(String(decoding: answer.body, as: UTF8.self))
        guard !text.isEmpty, text.utf8.count <= 1024, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
            !text.hasPrefix("<")
        else { throw .unusable("the answer is not a \(subject)") }
        return text
    }
}
