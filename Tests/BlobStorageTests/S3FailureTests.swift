import HTTP
import Support
import Testing

@testable import BlobStorage

@Suite struct S3FailureTests {
    private static let now = WallTime(seconds: 784_111_777)

    private func context(_ operation: S3Operation, _ key: String? = "main__a") -> S3FailureContext {
        S3FailureContext(operation: operation, bucket: "zones", key: key, authority: "h:9000", region: "us-east-1")
    }

    private func body(_ code: String, _ rest: String = "") -> [UInt8] {
        Array("<?xml version=\"1.0\"?>\n<Error><Code>\(code)</Code><Message>Text.\nMore</Message>\(rest)</Error>".utf8)
    }

    struct Case: Sendable {
        var operation = S3Operation.load
        var status: Int
        var code: String?
        var rest = ""
        var headers: [String: String] = [:]
        var kind = BlobStoreError.Kind.other
        var retried = false
        /// What the answer means.
        var meaning = ""
        var label: String?
    }

    @Test(arguments: [
        Case(status: 404, code: "NoSuchKey", kind: .notFound, label: "NotFound"),
        Case(
            status: 404, code: "NoSuchBucket", kind: .notFound),
        Case(
            status: 403, code: "InvalidAccessKeyId",
            meaning: "the server does not know this access key"),
        Case(status: 403, code: "SignatureDoesNotMatch"),
        Case(
            status: 403, code: "RequestTimeTooSkewed", headers: ["date": "Sun, 06 Nov 1994 09:49:37 GMT"],
            meaning: "the clock of this machine is 3600 s behind the server's"),
        Case(
            status: 403, code: "RequestTimeTooSkewed", headers: ["date": "Sun, 06 Nov 1994 08:39:37 GMT"],
            meaning: "the clock of this machine is 600 s ahead of the server's"),
        Case(
            status: 403, code: "RequestTimeTooSkewed",
            meaning: "the clocks of this machine and of the server differ"),
        Case(
            status: 400, code: "AuthorizationHeaderMalformed", rest: "<Region>eu-west-1</Region>",
            meaning: "the bucket is in region eu-west-1, not us-east-1"),
        Case(
            status: 301, code: "PermanentRedirect", headers: ["x-amz-bucket-region": "eu-west-3"],
            meaning: "the bucket is in region eu-west-3, not us-east-1"),
        Case(status: 301, code: "PermanentRedirect"),
        Case(
            operation: .list, status: 403, code: "AccessDenied", kind: .accessDenied,
            meaning: "this key needs the permission s3:ListBucket on zones"),
        Case(
            status: 403, code: "AccessDenied", kind: .accessDenied,
            meaning: "this key needs the permission s3:GetObject on zones/*"),
        Case(
            operation: .store, status: 403, code: "AccessDenied", kind: .accessDenied,
            meaning: "this key needs the permission s3:PutObject on zones/*"),
        Case(
            operation: .delete, status: 403, code: "AccessDenied", kind: .accessDenied,
            meaning: "this key needs the permission s3:DeleteObject on zones/*"),
        Case(status: 403, code: "ExpiredToken", meaning: "the session token has expired"),
        Case(status: 503, code: "SlowDown", retried: true),
        Case(status: 503, code: "ErrTooManyRequest", retried: true),
        Case(status: 500, code: "InternalError", retried: true),
        Case(status: 429, code: "TooManyRequests", retried: true),
        Case(status: 400, code: "RequestTimeout", kind: .timeout, retried: true),
        Case(status: 400, code: "InvalidArgument"),
        Case(status: 501, code: "NotImplemented"),
        Case(status: 409, code: "OperationAborted"),
    ])
    func answersAreExplained(_ test: Case) {
        var answer = HTTPAnswer()
        (answer.status, answer.headers) = (test.status, test.headers)
        answer.body = body(test.code ?? "", test.rest)
        let failure = context(test.operation).failure(answer, now: Self.now)
        #expect(failure.error.kind == test.kind)
        #expect(failure.isTransient == test.retried)
        #expect(failure.error.code == test.label ?? test.code)
        let start =
            "cannot \(test.operation) main__a in bucket zones: HTTP \(test.status) \(test.code ?? ""): Text. More"
        #expect(failure.error.description == start + (test.meaning.isEmpty ? "" : "; \(test.meaning)"))
    }

    @Test(arguments: [
        (301, "PermanentRedirect", false), (302, "Redirect", false), (307, "TemporaryRedirect", false),
        (400, "BadRequest", false), (403, "Forbidden", false),
        (404, "NotFound", false), (408, "RequestTimeout", true), (429, "TooManyRequests", true),
        (418, "Unknown", false), (500, "Unknown", true), (502, "Unknown", true), (503, "ServiceUnavailable", true),
        (504, "Unknown", true), (505, "Unknown", false),
    ])
    func answersWithoutBodyAreNamedByTheirStatus(_ status: Int, _ code: String, _ retried: Bool) {
        for body in ["", "<html><body>Bad gateway</body></html>", "{}"] {
            var answer = HTTPAnswer()
            (answer.status, answer.body) = (status, Array(body.utf8))
            let failure = context(.list, nil).failure(answer, now: Self.now)
            #expect(failure.error.description.hasPrefix("cannot list bucket zones: HTTP \(status) \(code)"))
            #expect(failure.isTransient == retried)
        }
    }

    @Test(arguments: [
        (301, "https://eu.example.com/zones/?X-Amz-Signature=abc", "https://eu.example.com/zones/"),
        (302, "https://user:geheim@login.example.com/a#b", "https://login.example.com/a"),
        (307, "/elsewhere\u{1b}[31m", "/elsewhere [31m"),
        (303, "", nil),
    ])
    func redirectionsSayWhereTo(_ status: Int, _ location: String, _ shown: String?) {
        var answer = HTTPAnswer()
        (answer.status, answer.headers) = (status, ["location": location])
        let text = context(.list, nil).failure(answer, now: Self.now).error.description
        #expect(text.contains("; the server redirects to") == (shown != nil))
        #expect(shown.map { text.hasSuffix("; the server redirects to \($0)") } ?? true)
        #expect(!text.contains("geheim") && !text.contains("Signature"))
    }

    @Test func anErrorOfAnotherWebServerIsNotBelieved() {
        for (status, body, meaning) in [
            (404, "<html>Not Found</html>", "this is not an answer of an S3 server (text/html)"),
            (403, "Forbidden", "this is not an answer of an S3 server (text/html)"),
            (
                400, "Client sent an HTTP request to an HTTPS server.\n",
                "this port requires https"
            ),
            (
                400, "<center>The plain HTTP request was sent to HTTPS port</center>",
                "this port requires https"
            ),
        ] {
            var answer = HTTPAnswer()
            (answer.status, answer.headers, answer.body) = (status, ["content-type": "text/html"], Array(body.utf8))
            let error = context(.load).failure(answer, now: Self.now).error
            #expect(error.kind == .other)
            #expect(error.description.hasSuffix("; \(meaning)"))
        }
    }

    @Test(arguments: [
        ("60", 60), ("0", 0), ("-5", 0), ("Sun, 06 Nov 1994 08:50:07 GMT", 30), ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("soon", nil), ("99999999999999999999", nil),
    ])
    func retryAfterIsRead(_ text: String, _ seconds: Int?) {
        var answer = HTTPAnswer()
        (answer.status, answer.headers) = (429, ["retry-after": text])
        #expect(context(.list).failure(answer, now: Self.now).retryAfter == seconds.map { .seconds($0) })
    }

    @Test(arguments: [
        (TransferFailure.Reason.nameResolution, BlobStoreError.Kind.other, "DNSError", true),
        (.refused, .other, "URLError", true), (.timeout, .timeout, "Timeout", true),
        (.tooSlow, .timeout, "Timeout", true),
        (.broken, .other, "URLError", true),
        (.tls, .other, "URLError", false), (.unusable, .other, "URLError", false),
        (.tooLarge, .other, "TooLarge", false), (.handshake, .other, "URLError", false),
    ])
    func missingAnswersAreExplained(
        _ reason: TransferFailure.Reason, _ kind: BlobStoreError.Kind, _ code: String, _ retried: Bool
    ) {
        let failure = context(.store).failure(TransferFailure(reason: reason, detail: "it\nfailed"))
        #expect(failure.error.kind == kind)
        #expect(failure.error.code == code)
        #expect(failure.isTransient == retried)
        #expect(failure.error.description.hasPrefix("cannot store main__a in bucket zones at h:9000: it failed"))
    }

    @Test(
        arguments: [
            (["etag": "\"900150983cd24fb0d6963f7d28e17f72\""], "900150983cd24fb0d6963f7d28e17f72"),
            (["etag": "900150983CD24FB0D6963F7D28E17F72"], "900150983cd24fb0d6963f7d28e17f72"),
            (["etag": "\"900150983cd24fb0d6963f7d28e17f72-2\""], nil),
            (["etag": "\"900150983cd24fb0d6963f7d28e17f7\""], nil),
            (["etag": "\"900150983cd24fb0d6963f7d28e17f72\"", "x-amz-server-side-encryption": "aws:kms"], nil),
            ([:], nil),
        ] as [([String: String], String?)])
    func anETagIsOnlyTakenForAnMD5WhereItIsOne(_ headers: [String: String], _ md5: String?) {
        #expect(md5InETag(headers) == md5)
    }
}
