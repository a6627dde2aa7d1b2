import HTTP
import Support

/// A security token service (STS), which gives temporary credentials for roles.
///
/// <https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html>
struct TokenService: Sendable, Equatable {
    var url: ServiceURL
    var region: String

    /// The service that the environment names, or that of AWS in the region of the environment, or in `region`.
    init(_ environment: (String) -> String?, region: String) throws(CredentialSetting) {
        func variable(_ names: String...) -> (name: String, value: String)? {
            names.map { ($0, keyText(environment($0) ?? "")) }.first { !$0.1.isEmpty }
        }
        self.region = variable("AWS_REGION", "AWS_DEFAULT_REGION")?.value ?? region
        let domain = self.region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
        let given = variable("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL")
        guard let url = ServiceURL(given?.value ?? "https://sts.\(self.region).\(domain)"), !url.path.contains("?")
        else {
            throw .badURL(given?.name ?? "AWS_REGION")
        }
        self.url = url
    }

    /// The role that a web identity token gives.
    func role(
        _ role: RoleRequest, webIdentity token: String, _ tls: TLSOptions, _ cancellation: CancellationSignal
    ) throws -> IssuedCredentials {
        let action = "AssumeRoleWithWebIdentity"
        let body = Array(Self.form(role.parameters(action) + [("WebIdentityToken", token)]).utf8)
        let answer = try CredentialClient.far(url, tls).send(
            "POST", url.text("/"), [Self.contentType], body: body, cancellation)
        return try IssuedCredentials(sts: answer, action: action, hiding: [token])
    }

    /// The role that other credentials give.
    func role(
        _ role: RoleRequest, as base: S3Credentials, at time: WallTime, _ tls: TLSOptions,
        _ cancellation: CancellationSignal
    ) throws -> IssuedCredentials {
        let action = "AssumeRole"
        let body = Array(Self.form(role.parameters(action)).utf8)
        var headers = [Self.contentType, ("Host", url.authority), ("X-Amz-Date", time.basicISO)]
        if let token = base.sessionToken { headers.append(("X-Amz-Security-Token", token)) }
        do {
            let signer = SigV4(credentials: base, region: region, service: "sts")
            let authorization = try signer.authorization(
                method: "POST", path: "\(url.path)/", query: "", headers: headers,
                payloadHash: hexadecimal(try Digest.sha256(body)), time: time)
            headers.append(("Authorization", authorization))
        } catch {
            throw CredentialFailure.Problem.setup(error)
        }
        let answer = try CredentialClient.far(url, tls).send("POST", url.text("/"), headers, body: body, cancellation)
        return try IssuedCredentials(
            sts: answer, action: action, hiding: [base.secretKey, base.sessionToken ?? ""])
    }

    private static let contentType = (
        name: "Content-Type", value: "application/x-www-form-urlencoded; charset=utf-8"
    )

    private static func form(_ parameters: [(name: String, value: String)]) -> String {
        parameters.map { "\($0.name)=\(percentEncoded($0.value))" }.joined(separator: "&")
    }
}

/// The role that is asked for.
struct RoleRequest: Sendable, Equatable {
    var arn: String
    /// Identifies the session in logs of AWS.
    var sessionName: String
    var externalID = ""
    /// In seconds; nil for the default of the role.
    var duration: Int?

    /// - Parameter sessionName: empty for the default.
    init(arn: String, sessionName: String, externalID: String = "", duration: Int? = nil) {
        self.arn = arn
        self.sessionName = sessionName.isEmpty ? "lightningstream" : sessionName
        self.externalID = externalID
        self.duration = duration
    }

    fileprivate func parameters(_ action: String) -> [(name: String, value: String)] {
        [("Action", action), ("Version", "2011-06-15"), ("RoleArn", arn), ("RoleSessionName", sessionName)]
            + (duration.map { [("DurationSeconds", "\($0)")] } ?? [])
            + (externalID.isEmpty ? [] : [("ExternalId", externalID)])
    }
}
