import HTTP
import Support
import TestSupport
import Testing

@testable import BlobStorage

/// Nothing unexpected in a listing may count as the harmless value: that there is no more, or that it is empty.
@Suite(.timeLimit(.minutes(1)))
struct S3ListPageTests {
    private func page(_ inner: String) throws(XMLError) -> S3ListPage {
        try S3ListPage(Array("<ListBucketResult>\(inner)</ListBucketResult>".utf8))
    }

    private static let object = "<Contents><Key>a</Key><Size> 1 </Size></Contents>"

    @Test(arguments: [
        ("true", true), ("True", true), ("TRUE", true), (" true\n", true), ("1", true), ("false", false),
        ("False", false), ("\t0 ", false),
    ])
    func spellingsOfTruthAreKnown(_ text: String, _ isTruncated: Bool) throws {
        let page = try page("\(Self.object)<IsTruncated>\(text)</IsTruncated>")
        #expect(try page.next(after: nil) == (isTruncated ? .name("a") : nil))
    }

    @Test(arguments: [
        "<IsTruncated>yes</IsTruncated>", "<IsTruncated/>", "<IsTruncated>truefalse</IsTruncated>",
        "<EncodingType>base64</EncodingType>", "<KeyCount>x</KeyCount>", "<KeyCount>-1</KeyCount>",
        "<KeyCount>2</KeyCount>", "<Contents><Key>b</Key></Contents>", "<Contents><Size>1</Size></Contents>",
        "<Contents><Key>b</Key><Size>big</Size></Contents>", "<Contents><Key>b</Key><Size>-1</Size></Contents>",
        "<Contents><Key>b</Key><Size/></Contents>", "<Contents><Key>b</Key><Key>c</Key><Size>1</Size></Contents>",
        "<Contents/>", "<EncodingType>url</EncodingType><Contents><Key>%zz</Key><Size>1</Size></Contents>",
    ])
    func whatIsUnknownIsAnError(_ inner: String) {
        #expect(throws: XMLError.self) { try page("\(Self.object)\(inner)") }
    }

    @Test func folderNamesAreCountedByTheServer() throws {
        let folder = "<CommonPrefixes><Prefix>f/</Prefix></CommonPrefixes>"
        #expect(try page("\(Self.object)\(folder)<KeyCount>2</KeyCount>").blobs.count == 1)
        #expect(try page("\(Self.object)<KeyCount> 1 </KeyCount><EncodingType/>").blobs.count == 1)
        #expect(try page("\(Self.object)<KeyCount>0</KeyCount>").blobs.count == 1)
    }

    @Test(arguments: [
        ("&quot;e-3&quot;", "e-3"), ("\"e\"", "e"), ("e", "e"), (" &#34;e&#34;\n", "e"), ("", nil),
        ("&quot;&quot;", nil),
    ])
    func theVersionIsTheETagHoweverItIsQuoted(_ text: String, _ version: String?) throws {
        let other = "<Contents><Key>b</Key><Size>1</Size></Contents>"
        let found = try page("<Contents><Key>a</Key><ETag>\(text)</ETag><Size>1</Size></Contents>\(other)").blobs
        #expect(found == [Blob(name: "a", size: 1, version: version), Blob(name: "b", size: 1)])
    }

    @Test func aTokenMeansToGoOn() throws {
        let token = "<NextContinuationToken>t</NextContinuationToken>"
        for truth in ["", "<IsTruncated>false</IsTruncated>", "<IsTruncated>true</IsTruncated>"] {
            #expect(try page("\(Self.object)\(truth)\(token)").next(after: nil) == .token("t"))
        }
        // Some always send one: then a page that brings nothing, or no other token, is the last.
        let said = "<IsTruncated>false</IsTruncated>\(token)"
        #expect(try page("\(Self.object)\(said)").next(after: .token("t")) == nil)
        #expect(try page(said).next(after: .token("s")) == nil)
        #expect(try page("<CommonPrefixes><Prefix>f/</Prefix></CommonPrefixes>\(said)").next(after: nil) != nil)
    }

    @Test func whereNothingIsSaidItIsAskedAgain() throws {
        #expect(try page(Self.object).next(after: nil) == .name("a"))
        #expect(try page("").next(after: .name("a")) == nil)
        let more = try page("<IsTruncated>true</IsTruncated>")
        #expect(throws: XMLError.self) { try more.next(after: .name("a")) }
    }

    /// Silence is not the same as an empty bucket, in which everything would look removed.
    @Test func anEmptyBucketIsSaidToBeOne() throws {
        let silence = try page("<Name>b</Name>")
        #expect(throws: XMLError.self) { try silence.next(after: nil) }
        for said in ["<KeyCount>0</KeyCount>", "<IsTruncated>false</IsTruncated>"] {
            #expect(try page(said).next(after: nil) == nil)
        }
        #expect(try page("<CommonPrefixes><Prefix>f/</Prefix></CommonPrefixes>").next(after: nil) == nil)
    }
}

/// Listings as servers send them.
@Suite(.timeLimit(.minutes(1))) struct S3ListPageLiveTests {
    @Test(arguments: ["True", " true ", nil])
    func allPagesAreRead(_ truth: String?) async throws {
        let server = try FaultServer { request, number in
            let name = request.target.contains("start-after=b") ? nil : ["a", "b"][min(number, 1)]
            let object = name.map { "<Contents><Key>\($0)</Key><Size>1</Size></Contents>" } ?? ""
            let said = truth.map { "<IsTruncated>\(name == nil ? "False" : $0)</IsTruncated>" } ?? ""
            return .answer(200, [:], "<ListBucketResult>\(object)\(said)</ListBucketResult>")
        }
        defer { server.stop() }
        #expect(try await open(server).list(prefix: "").map(\.name) == ["a", "b"])
    }

    @Test func namesThatWereNotAskedForAreLeftOut() async throws {
        let server = try FaultServer { _, _ in
            .answer(
                200, [:],
                "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>p/main__a</Key><Size>1</Size></Contents>"
                    + "<Contents><Key>p/x</Key><Size>1</Size></Contents><Contents><Key>main__b</Key><Size>1</Size></Contents>"
                    + "</ListBucketResult>")
        }
        defer { server.stop() }
        let store = try await open(server) { $0.globalPrefix = "p/" }
        #expect(try await store.list(prefix: "main__").map(\.name) == ["main__a"])
    }
}
