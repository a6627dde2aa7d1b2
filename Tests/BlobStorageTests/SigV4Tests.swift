import HTTP
import Support
import Testing

@testable import BlobStorage

private let emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
private let testSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
private let unreservedBytes = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

@Suite struct SigV4Tests {
    /// AWS's published signature test suite (aws-sig-v4-test-suite), those cases that S3 requests can have.
    struct SuiteCase: Sendable {
        var name: String
        var method = "GET"
        var path = "/"
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
        var body = ""
        var signature: String
    }

    static let suite = [
        SuiteCase(name: "get-vanilla", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        SuiteCase(
            name: "get-vanilla-query-order-key-case", query: [("Param2", "value2"), ("Param1", "value1")],
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        SuiteCase(
            name: "get-vanilla-query-order-value", query: [("Param1", "value2"), ("Param1", "value1")],
            signature: "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"),
        SuiteCase(
            name: "get-vanilla-query-unreserved", query: [(unreservedBytes, unreservedBytes)],
            signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
        SuiteCase(
            name: "get-unreserved", path: "/" + unreservedBytes,
            signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        SuiteCase(
            name: "get-utf8", path: "/\u{1234}",
            signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        SuiteCase(
            name: "get-header-key-duplicate",
            headers: [("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
            signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
        SuiteCase(
            name: "get-header-value-trim", headers: [("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
        SuiteCase(
            name: "post-vanilla", method: "POST",
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        SuiteCase(
            name: "post-x-www-form-urlencoded", method: "POST",
            headers: [("Content-Type", "application/x-www-form-urlencoded")], body: "Param1=value1",
            signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ]

    @Test(arguments: suite)
    func theSignaturesOfTheSuiteComeOut(_ test: SuiteCase) throws {
        let signer = SigV4(
            credentials: S3Credentials(accessKey: "AKIDEXAMPLE", secretKey: testSecret), region: "us-east-1",
            service: "service")
        let authorization = try signer.authorization(
            method: test.method, path: percentEncoded(test.path, keeping: "/"),
            query: SigV4.canonicalQuery(test.query),
            headers: [("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")] + test.headers,
            payloadHash: hexadecimal(Digest.sha256(test.body.utf8)), time: WallTime(seconds: 1_440_938_160))
        #expect(authorization.hasSuffix("Signature=\(test.signature)"), "\(test.name)")
        #expect(
            authorization.hasPrefix(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="))
    }

    /// The examples of the S3 documentation (API reference, "Signature Calculations: Single Chunk").
    static let documented = [
        SuiteCase(
            name: "GET object", path: "/test.txt",
            headers: [("Range", "bytes=0-9"), ("x-amz-content-sha256", emptyHash)],
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        SuiteCase(
            name: "PUT object", method: "PUT", path: "/test$file.text",
            headers: [
                ("Date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            body: "Welcome to Amazon S3.",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        SuiteCase(
            name: "GET bucket lifecycle", query: [("lifecycle", "")], headers: [("x-amz-content-sha256", emptyHash)],
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        SuiteCase(
            name: "GET bucket", query: [("prefix", "J"), ("max-keys", "2")],
            headers: [("x-amz-content-sha256", emptyHash)],
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ]

    @Test(arguments: documented)
    func theSignaturesOfTheDocumentationComeOut(_ test: SuiteCase) throws {
        let signer = SigV4(
            credentials: S3Credentials(
                accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            region: "us-east-1")
        let authorization = try signer.authorization(
            method: test.method, path: percentEncoded(test.path, keeping: "/"),
            query: SigV4.canonicalQuery(test.query),
            headers: [("Host", "examplebucket.s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z")] + test.headers,
            payloadHash: hexadecimal(Digest.sha256(test.body.utf8)), time: WallTime(seconds: 1_369_353_600))
        #expect(authorization.hasSuffix("Signature=\(test.signature)"), "\(test.name)")
    }

    @Test(arguments: botocoreVectors)
    func requestsAreSignedAsBotocoreDoes(_ test: SigV4Vector) throws {
        let signer = SigV4(
            credentials: S3Credentials(accessKey: "AKIDEXAMPLE", secretKey: testSecret, sessionToken: test.token),
            region: test.region)
        let headers =
            [
                ("Host", test.host), ("X-Amz-Date", "20261120T173955Z"), ("X-Amz-Content-SHA256", test.payloadHash),
            ] + test.headers + (test.token.map { [("X-Amz-Security-Token", $0)] } ?? [])
        let authorization = try signer.authorization(
            method: test.method, path: percentEncoded(test.path, keeping: "/"),
            query: SigV4.canonicalQuery(test.query), headers: headers, payloadHash: test.payloadHash,
            time: WallTime(seconds: 1_795_196_395))
        #expect(authorization.hasSuffix("Signature=\(test.signature)"), "\(test.method) \(test.path)")
    }

    @Test func whatIsSentIsWhatIsSigned() throws {
        let options = S3Options(bucket: "b", endpointURL: "http://h:9000/base/")
        let endpoint = try S3Endpoint(endpointURL: options.endpointURL, region: "us-east-1", bucket: "b")
        let signer = SigV4(
            credentials: S3Credentials(accessKey: "AK", secretKey: "SK", sessionToken: "token"), region: "us-east-1")
        let message = try S3Request.listing("main__", after: .token("a=b+c/"), options)
            .signed(signer, endpoint, time: WallTime(seconds: 1_795_196_395))
        #expect(
            message.url
                == "http://h:9000/base/b?continuation-token=a%3Db%2Bc%2F&encoding-type=url&list-type=2&prefix=main__")
        let headers = Dictionary(message.headers.map { ($0.name, $0.value) }) { $1 }
        #expect(headers["Host"] == "h:9000")
        #expect(headers["x-amz-date"] == "20261120T173955Z")
        #expect(headers["x-amz-content-sha256"] == emptyHash)
        #expect(headers["x-amz-security-token"] == "token")
        #expect(
            headers["Authorization"]?.contains(
                "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token")
                == true)
    }

    @Test(arguments: [
        (0, "19700101T000000Z"), (951_782_400, "20000229T000000Z"), (1_709_251_199, "20240229T235959Z"),
        (4_102_444_799, "20991231T235959Z"), (4_107_542_400, "21000301T000000Z"), (-1, "19691231T235959Z"),
    ])
    func datesAreWrittenAsSigV4WantsThem(_ seconds: Int, _ text: String) {
        #expect(WallTime(seconds: Int64(seconds)).basicISO == text)
    }

    @Test(arguments: [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
        ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", nil), ("", nil), ("Sun, 06 Nov 1994 25:49:37 GMT", nil),
        ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", nil), ("Sun, 6 Nox 1994 08:49:37 GMT", nil),
    ])
    func httpDatesAreRead(_ text: String, _ seconds: Int64?) {
        #expect(WallTime(httpDate: text)?.seconds == seconds)
    }

    @Test(arguments: ["", "a", "ab", "abc", "abcd"])
    func base64HasPadding(_ text: String) {
        let expected = ["": "", "a": "YQ==", "ab": "YWI=", "abc": "YWJj", "abcd": "YWJjZA=="]
        #expect(base64(Array(text.utf8)) == expected[text])
    }

    @Test(arguments: ["a b+c", "100%", "日本/x", "\u{1}\u{7f}", "~-._", ""])
    func percentEncodingIsUndone(_ text: String) {
        #expect(percentDecoded(percentEncoded(text)) == text)
    }

    @Test(arguments: ["%", "%4", "%zz", "%ff", "a%E6%97"])
    func brokenPercentEncodingIsRefused(_ text: String) { #expect(percentDecoded(text) == nil) }
}
