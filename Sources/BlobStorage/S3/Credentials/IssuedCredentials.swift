import FoundationEssentials
import HTTP
import Support

/// Keys as AWS's services hand them out.
typealias IssuedCredentials = Issued<S3Credentials>

/// The JSON document of the services for instances and containers.
private struct CredentialDocument: Decodable {
    var accessKey, secretKey, token, expiration: String?
    // The metadata service has capitals.
    var code, message, otherCode, otherMessage: String?

    private enum CodingKeys: String, CodingKey {
        case accessKey = "AccessKeyId"
        case secretKey = "SecretAccessKey"
        case token = "Token"
        case expiration = "Expiration"
        case code = "Code"
        case message = "Message"
        case otherCode = "code"
        case otherMessage = "message"
    }
}

extension IssuedCredentials {
    /// Reads the answer of a service for instances or containers.
    ///
    /// - Parameter secrets: texts of the request that the service may echo.
    /// - Throws: the problem if it is an error, or incomplete.
    init(json answer: HTTPAnswer, hiding secrets: [String] = []) throws(CredentialFailure.Problem) {
        let document = try? JSONDecoder().decode(CredentialDocument.self, from: Data(answer.body))
        let code = document?.code ?? document?.otherCode ?? ""
        guard answer.status == 200, code.isEmpty || code == "Success" else {
            throw .refused(
                answer.status, code, document?.message ?? document?.otherMessage ?? "", hiding: secrets)
        }
        guard let document else { throw .unusable("the answer is not a JSON document with credentials") }
        try self.init(document.accessKey, document.secretKey, document.token, document.expiration)
    }

    /// Reads the answer of an STS to this action.
    ///
    /// - Parameter secrets: texts of the request that the service may echo.
    /// - Throws: the problem if it is an error, or incomplete.
    init(sts answer: HTTPAnswer, action: String, hiding secrets: [String]) throws(CredentialFailure.Problem) {
        var values: [String: String] = [:]
        var errors: [String: String] = [:]
        do throws(XMLError) {
            try XMLReader.read(answer.body) { (path, text) throws(XMLError) in
                guard let name = path.last else { return }
                switch Array(path.dropLast()) {
                case ["\(action)Response", "\(action)Result", "Credentials"]: values[name] = text
                case ["ErrorResponse", "Error"], ["Error"]: errors[name] = text
                default: break
                }
            }
        } catch {
            guard answer.status != 200 else { throw .unusable("the answer is not that of an STS") }
        }
        guard answer.status == 200, errors.isEmpty else {
            throw .refused(answer.status, errors["Code"] ?? "", errors["Message"] ?? "", hiding: secrets)
        }
        try self.init(
            values["AccessKeyId"], values["SecretAccessKey"], values["SessionToken"], values["Expiration"])
    }

    private init(
        _ access: String?, _ secret: String?, _ token: String?, _ expiration: String?
    ) throws(CredentialFailure.Problem) {
        for (name, value) in [("AccessKeyId", access), ("SecretAccessKey", secret)] where (value ?? "").isEmpty {
            throw .unusable("the answer has no \(name)")
        }
        guard let credentials = S3Credentials(access, secret, token) else {
            throw .unusable("the answer has no usable keys")
        }
        self.credentials = credentials
        guard let expiration, !expiration.isEmpty else { return }
        let isNumericUTC = expiration.hasSuffix("+00:00")
        guard let time = WallTime(rfc3339: isNumericUTC ? "\(expiration.dropLast(6))Z" : expiration) else {
            throw .unusable("the Expiration in the answer is not a time")
        }
        expires = time
    }
}
