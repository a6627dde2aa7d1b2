/// The answer of an Azure storage that refuses a request. The texts of the server are on one line, without secrets.
package struct AzureRefusal: Sendable, Equatable {
    /// What an answer means.
    package enum Meaning: Sendable, Equatable {
        /// The account's key is wrong.
        case wrongKey
        /// The shared access signature is wrong, or not valid at this time.
        case wrongSignature
        /// The token of an identity is not accepted.
        case wrongToken
        /// The two clocks differ; by how many seconds this machine's is ahead, if the server sends its time.
        case clock(ahead: Int64?)
        /// The account does not accept its keys.
        case keysAreOff
        /// The container does not exist.
        case noContainer
        /// The container is being deleted, which takes some time.
        case containerIsBeingDeleted
        /// The identity needs this role.
        case needsRole(String, resource: String)
        /// The shared access signature needs this permission.
        case needsPermission(String, resource: String)
        /// Neither the network rules of the account nor the scope of a signature allow it.
        case notAllowedHere
        /// The account has been disabled.
        case accountIsDisabled
        /// The object has been moved to the archive tier.
        case archived
        /// The object has snapshots, without which it cannot be removed.
        case hasSnapshots
        /// A lease or a policy protects the object.
        case protected
        /// A redirection that Azure does not send, with its target.
        case otherService(redirects: String?)
        /// The answer is not from an Azure storage, but from this server, if known.
        case notAzure(source: String)
        /// The account or the port requires https.
        case requiresHTTPS
        /// The code says it all.
        case none
    }

    /// The HTTP status.
    package var status: Int
    /// The code of the error.
    package var code: String
    /// The server's message, or empty.
    package var message: String
    /// What the answer means.
    package var meaning: Meaning

    /// See the properties of the same names.
    package init(status: Int, code: String, message: String, meaning: Meaning) {
        (self.status, self.code, self.message, self.meaning) = (status, code, message, meaning)
    }

    /// `HTTP 404 ContainerNotFound: The specified container does not exist; …`
    var text: String {
        let meaning = meaning.text
        let answer = "HTTP \(status) \(code)" + (message.isEmpty ? "" : ": \(message)")
        return meaning.isEmpty ? answer : "\(answer); \(meaning)"
    }
}

extension AzureRefusal.Meaning {
    fileprivate var text: String {
        switch self {
        case .wrongKey: "the account key is not that of the account"
        case .wrongSignature: "the shared access signature is wrong, or not valid at this time"
        case .wrongToken: "the token of the identity is not accepted"
        case .clock(let ahead?):
            "the clock of this machine is \(abs(ahead)) s \(ahead < 0 ? "behind" : "ahead of") the server's"
        case .clock(nil): "the clocks of this machine and of the server differ"
        case .keysAreOff: "the account does not accept its keys"
        case .containerIsBeingDeleted: "it takes at least 30 s until a deleted container can be created again"
        case .needsRole(let role, let resource): "this identity needs the role \(role) on \(resource.oneLine())"
        case .needsPermission(let permission, let resource):
            "the shared access signature needs the permission \(permission) on \(resource.oneLine())"
        case .notAllowedHere:
            "the network rules of the account, or the scope of the shared access signature, do not allow it"
        case .accountIsDisabled: "the account is disabled"
        case .archived: "the object is in the archive tier"
        case .hasSnapshots: "it has snapshots of its own, made by others"
        case .protected: "a lease or an immutability policy protects it"
        case .otherService(let target?): "the server redirects to \(target)"
        case .notAzure(let source): "this is not an answer of an Azure storage\(source.isEmpty ? "" : " (\(source))")"
        case .requiresHTTPS: "https is required"
        case .noContainer, .otherService, .none: ""
        }
    }
}
