import TestSupport
import Testing

@testable import BlobStorage

/// Which source is chosen. Nothing is requested.
@Suite struct CredentialChainTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private static let keys = ["AWS_ACCESS_KEY_ID": "EK", "AWS_SECRET_ACCESS_KEY": "ES"]
    private static let webIdentity = ["AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:role"]
    private static let container = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/secret-path"]

    private func find(
        _ environment: [String: String], _ options: S3Options = S3Options(bucket: "b")
    ) throws(BlobStoreError) -> CredentialChain.Found {
        let environment = ["HOME": directory.path].merging(environment) { $1 }
        return try CredentialChain(options, environment: { environment[$0] }).find()
    }

    private func origin(_ environment: [String: String]) throws(BlobStoreError) -> CredentialOrigin? {
        try find(environment).provider?.origin
    }

    private func problem(_ environment: [String: String]) -> String {
        do throws(BlobStoreError) {
            _ = try find(environment)
            return ""
        } catch {
            return error.description
        }
    }

    /// The environment with these two shared files.
    private func files(credentials: String = "", config: String = "") throws -> [String: String] {
        try directory.write("credentials", credentials)
        try directory.write("config", config)
        return [
            "AWS_SHARED_CREDENTIALS_FILE": directory.file("credentials"), "AWS_CONFIG_FILE": directory.file("config"),
        ]
    }

    @Test func theOrderIsThatOfTheSDKs() throws {
        let profile = try files(credentials: "[default]\naws_access_key_id = a\naws_secret_access_key = s")
        let all = [Self.keys, Self.webIdentity, profile, Self.container]
        let options = S3Options(bucket: "b", accessKey: "a", secretKey: "s")
        let everything = all.reduce([:]) { $0.merging($1) { $1 } }
        #expect(try find(everything, options).provider?.origin == .configuration)
        let expected: [CredentialOrigin] = [
            .environment,
            .webIdentity(
                role: "arn:role", tokenFile: "/token", service: "https://sts.us-east-1.amazonaws.com"),
            .profile("default", file: directory.file("credentials")), .container(service: "http://169.254.170.2"),
            .instance(service: "http://169.254.169.254"),
        ]
        for (index, expected) in expected.enumerated() {
            let found = try find(all[index...].reduce([:]) { $0.merging($1) { $1 } })
            #expect(found.provider?.origin == expected)
            #expect(found.isLastResort == (index == 4))
        }
        let none = try find(["AWS_EC2_METADATA_DISABLED": "True"])
        #expect(none.provider == nil)
        #expect(none.unreadable.count == 2)
    }

    @Test func temporaryKeysHaveATokenFromEachSource() throws {
        let file = try files(
            credentials: "[p]\naws_access_key_id = a\naws_secret_access_key = s\naws_session_token = profile-token")
        guard case .environment(let keys) = try find(Self.keys.merging(["AWS_SESSION_TOKEN": "t"]) { $1 }).provider,
            case .profile(let profile, _) = try find(file.merging(["AWS_PROFILE": "p"]) { $1 }).provider
        else {
            Issue.record("other sources")
            return
        }
        #expect(keys.sessionToken == "t")
        #expect(profile.keys?.sessionToken == "profile-token")
    }

    // MARK: Profiles

    @Test func bothFilesMakeAProfile() throws {
        let both = try files(
            credentials: "[p]\naws_access_key_id = from-credentials\naws_secret_access_key = s",
            config: """
                [default]
                region = eu-west-1
                [profile p]
                aws_access_key_id = from-config
                aws_secret_access_key = c
                [profile  in-config]
                aws_access_key_id = only-config
                aws_secret_access_key = c
                [no-prefix]
                aws_access_key_id = x
                aws_secret_access_key = y
                """)
        func keys(_ name: String) throws -> S3Credentials? {
            guard case .profile(let profile, _) = try find(both.merging(["AWS_PROFILE": name]) { $1 }).provider
            else { return nil }
            return profile.keys
        }
        #expect(try keys("p") == S3Credentials(accessKey: "from-credentials", secretKey: "s"))
        #expect(try keys("in-config") == S3Credentials(accessKey: "only-config", secretKey: "c"))
        #expect(
            try origin(both.merging(["AWS_PROFILE": "in-config"]) { $1 })
                == .profile("in-config", file: directory.file("config")))
        #expect(problem(both.merging(["AWS_PROFILE": "no-prefix"]) { $1 }).hasPrefix("no profile no-prefix in "))
        // A profile without keys leaves them to the next source.
        #expect(try origin(both)?.isLocal == false)
    }

    @Test func profilesHaveRoles() throws {
        let both = try files(
            credentials: "[user]\naws_access_key_id = a\naws_secret_access_key = s",
            config: """
                [profile token]
                role_arn = arn:token
                web_identity_token_file = /t
                region = eu-central-1
                [profile chain]
                role_arn = arn:chain
                source_profile = middle
                [profile middle]
                role_arn = arn:middle
                source_profile = user
                [profile self]
                role_arn = arn:self
                source_profile = self
                aws_access_key_id = a
                aws_secret_access_key = s
                [profile ec2]
                role_arn = arn:ec2
                credential_source = Ec2InstanceMetadata
                [profile ecs]
                role_arn = arn:ecs
                credential_source = EcsContainer
                [profile env]
                role_arn = arn:env
                credential_source = Environment
                """)
        func origin(_ name: String, _ more: [String: String] = [:]) throws -> CredentialOrigin? {
            try self.origin(both.merging(["AWS_PROFILE": name]) { $1 }.merging(more) { $1 })
        }
        let sts = "https://sts.us-east-1.amazonaws.com"
        #expect(
            try origin("token")
                == .webIdentity(
                    role: "arn:token", tokenFile: "/t", service: "https://sts.eu-central-1.amazonaws.com"))
        let user = CredentialOrigin.profile("user", file: directory.file("credentials"))
        #expect(
            try origin("chain")
                == .assumedRole(
                    role: "arn:chain", by: .assumedRole(role: "arn:middle", by: user, service: sts), service: sts))
        #expect(
            try origin("self")
                == .assumedRole(
                    role: "arn:self", by: .profile("self", file: directory.file("config")), service: sts))
        #expect(
            try origin("ec2")
                == .assumedRole(
                    role: "arn:ec2", by: .instance(service: "http://169.254.169.254"), service: sts))
        #expect(
            try origin("ecs", Self.container)
                == .assumedRole(role: "arn:ecs", by: .container(service: "http://169.254.170.2"), service: sts))
        let keys = try origin("env", Self.keys)
        #expect(keys == .environment)
    }

    @Test(
        arguments: [
            ("role_arn = r\nsource_profile = p2", "profile p2 in"),
            ("role_arn = r\nsource_profile = none", "takes its keys from profile none, which has none"),
            ("role_arn = r\ncredential_source = Environment", "takes its keys from Environment, which has none"),
            ("role_arn = r\ncredential_source = EcsContainer", "takes its keys from EcsContainer, which has none"),
            ("role_arn = r\ncredential_source = Other", "has credential_source = Other, which is not supported"),
            ("sso_session = corp", "has sso_session, which is not supported"),
            ("credential_process = /bin/x", "has credential_process, which is not supported"),
            ("aws_secret_access_key = geheim", "has no aws_access_key_id"),
            (
                "role_arn = r\nmfa_serial = m\nsource_profile = user", "has mfa_serial, which is not supported"
            ),
        ])
    func profilesThatCannotBeUsed(_ lines: String, _ expected: String) throws {
        let both = try files(
            config: """
                [profile p1]
                \(lines)
                [profile p2]
                role_arn = r2
                source_profile = p1
                [profile user]
                aws_access_key_id = a
                aws_secret_access_key = s
                """)
        let text = problem(both.merging(["AWS_PROFILE": "p1"]) { $1 })
        #expect(text.contains(expected))
        #expect(!text.contains("geheim"))
    }

    @Test func namedFilesMustBeReadable() throws {
        let missing = directory.file("missing")
        for variable in ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"] {
            #expect(problem([variable: missing]).contains("cannot open \(missing): No such file or directory"))
        }
    }

    // MARK: Settings

    @Test(
        arguments: [
            (["AWS_WEB_IDENTITY_TOKEN_FILE": "/t"], "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not"),
            (
                ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@evil.example/x"],
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not start with /"
            ),
            (
                ["AWS_CONTAINER_CREDENTIALS_FULL_URI": "ftp://127.0.0.1/"],
                "AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL of the form http://host:port/path"
            ),
            (
                ["AWS_EC2_METADATA_SERVICE_ENDPOINT": "169.254.169.254"],
                "AWS_EC2_METADATA_SERVICE_ENDPOINT is not a URL of the form http://host:port/path"
            ),
            (
                ["AWS_ENDPOINT_URL_STS": "nonsense", "AWS_ROLE_ARN": "r", "AWS_WEB_IDENTITY_TOKEN_FILE": "/t"],
                "AWS_ENDPOINT_URL_STS is not a URL of the form http://host:port/path"
            ),
        ])
    func settingsThatCannotBeUsed(_ environment: [String: String], _ expected: String) {
        #expect(problem(environment) == expected)
    }

    /// Tokens and keys go in the clear only over the host itself and the links of ECS and EKS.
    @Test(
        arguments: [
            ("https://anywhere.example/x", true), ("http://127.0.0.1:81/x", true), ("http://127.9.9.9", true),
            ("http://localhost/x", true), ("http://[::1]:80/x", true), ("http://[0:0:0:0:0:0:0:1]/x", true),
            ("http://169.254.170.2/x", true), ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true), ("http://[fd00:0ec2:0::23]/v1", true),
            ("http://169.254.169.254/x", false), ("http://169.254.170.24/x", false), ("http://10.0.0.1/x", false),
            ("http://127.0.0.1.example/x", false), ("http://127.1/x", false), ("http://0x7f000001/x", false),
            ("http://localhost.example/x", false), ("http://[fd00:ec2::24]/x", false), ("http://example.org", false),
            ("http://127.0.0.1@example.org/x", false), ("http://example.org#@127.0.0.1/", false),
            ("http://127.0.0.1\\@example.org/x", false), ("http://[::1", false), ("http://[::1]x/", false),
        ])
    func plainTextIsForNearServicesOnly(_ url: String, _ isAllowed: Bool) {
        let text = problem(["AWS_CONTAINER_CREDENTIALS_FULL_URI": url])
        #expect(text.isEmpty == isAllowed)
        #expect(isAllowed || text.hasPrefix("AWS_CONTAINER_CREDENTIALS_FULL_URI "))
    }

    @Test func theServicesAreWhereTheEnvironmentSays() throws {
        #expect(
            try origin(["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"])
                == .instance(service: "http://[fd00:ec2::254]"))
        #expect(
            try origin(["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1338/"])
                == .instance(service: "http://127.0.0.1:1338"))
        for (more, service) in [
            (["AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "x"], "https://sts.eu-west-1.amazonaws.com"),
            (["AWS_DEFAULT_REGION": "cn-north-1"], "https://sts.cn-north-1.amazonaws.com.cn"),
            (["AWS_ENDPOINT_URL": "https://minio.example:9000/"], "https://minio.example:9000"),
            (
                ["AWS_ENDPOINT_URL": "https://a", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:80"],
                "http://127.0.0.1:80"
            ),
        ] {
            #expect(
                try origin(Self.webIdentity.merging(more) { $1 })
                    == .webIdentity(role: "arn:role", tokenFile: "/token", service: service))
        }
        guard
            case .webIdentity(let service, _, _) = try find(
                Self.webIdentity, S3Options(bucket: "b", region: "ap-south-1")
            ).provider
        else {
            Issue.record("another source")
            return
        }
        #expect(service.url.text() == "https://sts.ap-south-1.amazonaws.com")
    }

    /// The path of ECS is as good as a password.
    @Test func thePathOfAContainerIsNotShown() throws {
        #expect(try origin(Self.container)?.text.contains("secret-path") == false)
        guard case .container(let role) = try find(Self.container).provider else {
            Issue.record("another source")
            return
        }
        #expect(role.url.text() == "http://169.254.170.2/v2/credentials/secret-path")
        // With both, the relative one counts.
        let both = Self.container.merging(["AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://x.example/"]) { $1 }
        #expect(try origin(both) == .container(service: "http://169.254.170.2"))
    }
}
