import HTTP
import Support
import TestSupport
import Testing

@testable import BlobStorage

/// What is decided without a request.
@Suite struct AzureRuleTests {
    private static let key = "Z2VoZWltLWdlaGVpbQ=="

    private func find(
        _ environment: [String: String] = [:], _ change: (inout AzureOptions) -> Void = { _ in }
    ) throws(BlobStoreError) -> AzureAccount {
        var options = AzureOptions(container: "zones")
        change(&options)
        return try AzureAccount.find(options) { environment[$0] }
    }

    private func failure(
        _ environment: [String: String] = [:], _ change: (inout AzureOptions) -> Void = { _ in }
    ) -> String {
        do throws(BlobStoreError) {
            _ = try find(environment, change)
            return ""
        } catch {
            return error.description
        }
    }

    // MARK: Signatures

    /// Put together by hand from the published rules.
    @Test func theTextToSign() throws {
        let key = SharedKey(account: "lab", key: Array("k".utf8))
        let text = key.textToSign(
            method: "PUT", path: "/lab/zones/a%20b", query: [("comp", "block"), ("blockid", "QQ==")],
            headers: [
                ("x-ms-version", "2020-10-02"), ("x-ms-date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("Content-Length", "3"), ("Content-MD5", "m"), ("X-Other", "o"),
            ])
        #expect(
            text
                == "PUT\n\n\n3\nm\n\n\n\n\n\n\n\nx-ms-date:Sun, 06 Nov 1994 08:49:37 GMT\nx-ms-version:2020-10-02\n"
                + "/lab/lab/zones/a%20b\nblockid:QQ==\ncomp:block")
        // An empty body is signed as none.
        let empty = key.textToSign(method: "PUT", path: "/", query: [], headers: [("Content-Length", "0")])
        #expect(empty == "PUT\n\n\n\n\n\n\n\n\n\n\n\n/lab/")
    }

    // MARK: Accounts

    @Test func theKeyOfTheConfigurationComesFirst() throws {
        let environment = [
            "AZURE_STORAGE_CONNECTION_STRING": "AccountName=other;AccountKey=b3RoZXI=", "AZURE_STORAGE_KEY": "b3RoZXI=",
            "AZURE_STORAGE_SAS_TOKEN": "sig=x", "AZURE_STORAGE_ACCOUNT": "other",
        ]
        let account = try find(environment) {
            $0.accountName = "lab"
            $0.accountKey = Self.key + "\n"
        }
        #expect(account.endpoint.authority == "lab.blob.core.windows.net" && account.endpoint.scheme == "https")
        #expect(account.endpoint.path(key: "a b/c") == "/zones/a%20b/c")
        let known = SharedKey(account: "lab", key: Array("geheim-geheim".utf8))
        #expect(account.provider == .known(.sharedKey(known), .configuration))
    }

    @Test func theEnvironmentIsAskedInItsOrder() throws {
        var environment = [
            "AZURE_STORAGE_ACCOUNT": "lab", "AZURE_STORAGE_KEY": Self.key, "AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=x",
            "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": "/token",
            "IDENTITY_ENDPOINT": "http://127.0.0.1:1/msi", "IDENTITY_HEADER": "h",
            "AZURE_STORAGE_CONNECTION_STRING":
                "DefaultEndpointsProtocol=https;AccountName=lab;AccountKey=\(Self.key);EndpointSuffix=core.example.net",
        ]
        #expect(try find(environment).provider.origin == .variable("AZURE_STORAGE_CONNECTION_STRING"))
        #expect(try find(environment).endpoint.authority == "lab.blob.core.example.net")
        environment["AZURE_STORAGE_CONNECTION_STRING"] = nil
        #expect(try find(environment).provider.origin == .variable("AZURE_STORAGE_KEY"))
        #expect(try find(environment).endpoint.authority == "lab.blob.core.windows.net")
        environment["AZURE_STORAGE_KEY"] = ""
        #expect(
            try find(environment).provider == .known(.signature("sv=1&sig=x"), .variable("AZURE_STORAGE_SAS_TOKEN")))
        environment["AZURE_STORAGE_SAS_TOKEN"] = nil
        let authority = "https://login.microsoftonline.com"
        #expect(
            try find(environment).provider.origin
                == .azureWorkload(client: "c", tokenFile: "/token", service: authority))
        environment["AZURE_FEDERATED_TOKEN_FILE"] = nil
        #expect(try find(environment).provider.origin == .azureApp(client: "c", service: "http://127.0.0.1:1"))
        environment["IDENTITY_HEADER"] = nil
        let machine = try find(environment).provider
        #expect(machine.origin == .azureMachine(client: "c", service: "http://169.254.169.254"))
        #expect(machine.isLastResort)
    }

    @Test func theAccountIsInTheAddress() throws {
        let account = try find(["AZURE_STORAGE_KEY": Self.key]) {
            $0.endpointURL = "https://lab.blob.core.usgovcloudapi.net/"
        }
        #expect(
            account.provider
                == .known(
                    try AzureCredentials.key(Self.key, account: "lab", .configuration), .variable("AZURE_STORAGE_KEY")))
        let emulator = try find {
            $0.endpointURL = "http://127.0.0.1:10000/devstoreaccount1"
            ($0.accountName, $0.accountKey) = ("devstoreaccount1", Self.key)
        }
        #expect(emulator.endpoint.path(key: "x") == "/devstoreaccount1/zones/x" && emulator.endpoint.isLocal)
    }

    @Test func whatCannotBeUsedIsSaid() {
        #expect(failure { ($0.container, $0.accountName) = ("", "lab") } == "no Azure container is set")
        #expect(failure { ($0.container, $0.accountName) = ("A_B", "lab") }.hasPrefix("A_B is not a valid container"))
        #expect(failure() == "no Azure storage account is set")
        #expect(failure { $0.accountName = "a.b" }.hasPrefix("a.b is not a valid name of an Azure"))
        #expect(
            failure { ($0.accountName, $0.accountKey) = ("lab", "gehe!m") }
                == "the account key from the configuration is not base64")
        #expect(
            failure {
                $0.accountName = "lab"
                $0.useSharedKey = true
            } == "no account key is set")
        #expect(
            failure(["AZURE_STORAGE_CONNECTION_STRING": "AccountName=x;AccountKey=\(Self.key)"]) {
                $0.accountName = "lab"
            }.hasPrefix("the configuration names the account lab, but AZURE_STORAGE_CONNECTION_STRING is for x"))
        for (text, problem) in [
            ("nonsense", "it does not consist of"), ("AccountName=x", "it has neither"),
            ("UseDevelopmentStorage=true", "UseDevelopmentStorage is not"),
        ] {
            let line = failure(["AZURE_STORAGE_CONNECTION_STRING": text])
            #expect(line.hasPrefix("AZURE_STORAGE_CONNECTION_STRING cannot be used: \(problem)"))
        }
        for text in ["geheim", "https://lab.blob.core.windows.net/?sv=1&sig=geheim", "sv=1&sig=geheim more"] {
            #expect(
                failure(["AZURE_STORAGE_SAS_TOKEN": text]) { $0.accountName = "lab" }
                    == "the shared access signature from AZURE_STORAGE_SAS_TOKEN in the environment is not of the form "
                    + "NAME=VALUE&sig=VALUE")
        }
        let secret = "BlobEndpoint=nonsense?sig=geheim;SharedAccessSignature=sig=geheim"
        #expect(
            failure(["AZURE_STORAGE_CONNECTION_STRING": secret]) == "the URL of the blob service is not valid")
        #expect(
            failure(["AZURE_CLIENT_SECRET": "s", "AZURE_CLIENT_ID": "c"]) { $0.accountName = "lab" }
                == "AZURE_CLIENT_SECRET is set, and AZURE_TENANT_ID is not")
        #expect(
            failure([
                "AZURE_CLIENT_SECRET": "s", "AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t",
                "AZURE_AUTHORITY_HOST": "http://login.example.org",
            ]) { $0.accountName = "lab" }
                == "AZURE_AUTHORITY_HOST names login.example.org with http, which is only allowed for this host")
    }

    /// Whoever listens on the way could use it for hours.
    @Test func aTokenIsNotSentInTheClear() {
        #expect(
            failure { $0.endpointURL = "http://blobs.example.org/lab" }
                == "the token of an identity would be sent to blobs.example.org in the clear")
        #expect(failure { $0.endpointURL = "http://127.0.0.1:1/lab" } == "")
        let signed = failure {
            $0.endpointURL = "http://blobs.example.org/lab"
            ($0.accountName, $0.accountKey) = ("lab", Self.key)
        }
        #expect(signed == "")
    }

    // MARK: Answers

    @Test func directoriesOfAHierarchicalNamespaceAreNoObjects() throws {
        let page = try AzureListPage(
            Array(
                """
                <EnumerationResults><Blobs>
                <Blob><Name>d</Name><Properties><ResourceType>directory</ResourceType><Content-Length>0</Content-Length>
                </Properties></Blob>
                <Blob><Name>d/x&amp;y</Name><Properties><Last-Modified>Sun, 06 Nov 1994 08:49:37 GMT</Last-Modified>
                <Etag>0x8D</Etag><Content-Length>3</Content-Length><ResourceType>file</ResourceType></Properties></Blob>
                </Blobs><NextMarker /></EnumerationResults>
                """.utf8))
        #expect(
            page.blobs == [Blob(name: "d/x&y", size: 3, modified: 784_111_777_000_000_000, version: "0x8D")])
        #expect(page.nextMarker == nil)
    }

    private func refusal(
        _ status: Int, _ code: String, _ credentials: AzureCredentials = .token("token"),
        _ headers: [String: String] = [:], operation: AzureOperation = .store
    ) -> (meaning: AzureRefusal.Meaning?, error: BlobStoreError) {
        var answer = HTTPAnswer(status: status, headers: headers)
        answer.body = Array("<Error><Code>\(code)</Code><Message>Text.\nRequestId:1</Message></Error>".utf8)
        let context = AzureFailureContext(operation: operation, container: "zones", key: "x", authority: "h")
        let error = context.failure(answer, credentials, now: WallTime(seconds: 784_111_777)).error
        if case .refusedByAzure(let refusal) = error.cause { return (refusal.meaning, error) }
        return (nil, error)
    }

    @Test func whatRefusalsMean() throws {
        let shared = AzureCredentials.sharedKey(SharedKey(account: "lab", key: [1, 2, 3]))
        #expect(refusal(403, "AuthenticationFailed", shared).meaning == .wrongKey)
        #expect(refusal(403, "AuthenticationFailed", .signature("sig=x")).meaning == .wrongSignature)
        #expect(refusal(401, "InvalidAuthenticationInfo").meaning == .wrongToken)
        let late = ["date": "Sun, 06 Nov 1994 09:49:37 GMT"]
        let clock = refusal(403, "AuthenticationFailed", shared, late)
        #expect(clock.meaning == .clock(ahead: -3600) && clock.error.kind == .other)
        #expect(clock.error.description.hasSuffix("Text; the clock of this machine is 3600 s behind the server's"))
        let denied = refusal(403, "AuthorizationPermissionMismatch")
        #expect(denied.meaning == .needsRole("Storage Blob Data Contributor", resource: "zones"))
        #expect(denied.error.kind == .accessDenied)
        #expect(
            refusal(403, "AuthorizationPermissionMismatch", operation: .load).meaning
                == .needsRole("Storage Blob Data Reader", resource: "zones"))
        #expect(refusal(403, "AuthorizationFailure").meaning == .notAllowedHere)
        #expect(refusal(403, "KeyBasedAuthenticationNotPermitted", shared).meaning == .keysAreOff)
        #expect(refusal(400, "AccountRequiresHttps").meaning == .requiresHTTPS)
        #expect(refusal(409, "BlobArchived").meaning == .archived)
        let missing = refusal(404, "ContainerNotFound")
        #expect(missing.meaning == .noContainer && missing.error.kind == .notFound && missing.error.isPlaceMissing)
        #expect(refusal(404, "BlobNotFound").error.code == "NotFound")
    }

    // MARK: Tokens

    private func token(_ body: String, status: Int = 200) -> Result<Issued<AzureCredentials>, CredentialFailure.Problem>
    {
        let answer = HTTPAnswer(status: status, body: Array(body.utf8))
        return Result { () throws(CredentialFailure.Problem) in
            try AzureToken.read(answer, hiding: ["geheim"], now: WallTime(seconds: 1000))
        }
    }

    @Test(arguments: [
        #"{"access_token": "abc", "expires_in": 3600}"#, #"{"access_token": "abc", "expires_in": "3600"}"#,
        #"{"access_token": "abc", "expires_on": "4600"}"#, #"{"access_token": "abc", "expires_on": 4600, "x": []}"#,
    ])
    func tokensExpire(_ body: String) throws {
        #expect(try token(body).get() == Issued(credentials: .token("abc"), expires: WallTime(seconds: 4600)))
    }

    @Test(arguments: [
        ("nonsense", 200, "the answer is not a JSON document with a token"),
        (#"{"expires_in": 1}"#, 200, "the answer has no token"),
        (#"{"access_token": "abc"}"#, 200, "the answer does not say when the token expires"),
        (
            #"{"access_token": "a\nb", "expires_in": 1}"#, 200,
            "the token in the answer has characters that no token has"
        ),
        (#"{"error": "invalid", "error_description": "geheim.\r\nTrace"}"#, 400, "HTTP 400 invalid: ***."),
        (#"{"error": {"code": "c", "message": "m"}}"#, 403, "HTTP 403 c: m"), ("", 500, "HTTP 500"),
    ])
    func answersWithoutToken(_ body: String, _ status: Int, _ line: String) {
        #expect(throws: CredentialFailure.Problem.self) { try token(body, status: status).get() }
        if case .failure(let problem) = token(body, status: status) { #expect(problem.text == line) }
    }
}
