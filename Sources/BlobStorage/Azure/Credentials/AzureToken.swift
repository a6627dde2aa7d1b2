import FoundationEssentials
import HTTP
import Support

/// The answer of a service that hands out tokens.
enum AzureToken {
    /// What the tokens are for: all storage accounts.
    static let resource = "https://storage.azure.com/"

    private struct Document: Decodable {
        var token: String?
        /// Seconds since the UNIX epoch, and seconds from now; a number or its digits.
        var expiresOn, expiresIn: Int64?
        var code, message: String?

        private enum CodingKeys: String, CodingKey {
            case token = "access_token"
            case expiresOn = "expires_on"
            case expiresIn = "expires_in"
            case error
            case description = "error_description"
            case message = "Message"
        }

        private struct Detail: Decodable {
            var code, message: String?
        }

        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            func number(_ key: CodingKeys) -> Int64? {
                (try? values.decode(Int64.self, forKey: key))
                    ?? (try? values.decode(String.self, forKey: key)).flatMap { Int64($0) }
            }
            token = try? values.decode(String.self, forKey: .token)
            (expiresOn, expiresIn) = (number(.expiresOn), number(.expiresIn))
            code = try? values.decode(String.self, forKey: .error)
            message =
                (try? values.decode(String.self, forKey: .description))
                ?? (try? values.decode(String.self, forKey: .message))
            if let detail = try? values.decode(Detail.self, forKey: .error) {
                (code, message) = (detail.code, detail.message)
            }
        }
    }

    /// - Parameter secrets: texts of the request that the service may echo.
    /// - Throws: the problem if it is an error, or incomplete.
    static func read(
        _ answer: HTTPAnswer, hiding secrets: [String], now: WallTime
    ) throws(CredentialFailure.Problem) -> Issued<AzureCredentials> {
        let document = try? JSONDecoder().decode(Document.self, from: Data(answer.body))
        guard answer.status == 200 else {
            // The next lines are numbers for Microsoft's support.
            let message = document?.message?.split(whereSeparator: \.isNewline).first ?? ""
            throw .refused(answer.status, document?.code ?? "", String(message), hiding: secrets)
        }
        guard let document else { throw .unusable("the answer is not a JSON document with a token") }
        guard let token = document.token, !token.isEmpty else { throw .unusable("the answer has no token") }
        guard token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
            throw .unusable("the token in the answer has characters that no token has")
        }
        let longest: Int64 = 366 * 86_400
        if let seconds = document.expiresIn, (0...longest).contains(seconds) {
            return Issued(credentials: .token(token), expires: WallTime(seconds: now.seconds + seconds))
        }
        guard let seconds = document.expiresOn, seconds <= now.seconds + longest else {
            throw .unusable("the answer does not say when the token expires")
        }
        return Issued(credentials: .token(token), expires: WallTime(seconds: seconds))
    }
}
