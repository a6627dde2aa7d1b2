import HTTP
import TestSupport
import Testing

@testable import BlobStorage

@Suite struct XMLReaderTests {
    private func elements(_ text: String) throws(XMLError) -> [String] {
        var result: [String] = []
        try XMLReader.read(Array(text.utf8)) { (path, text) throws(XMLError) in
            result.append("\(path.joined(separator: "/"))=\(text)")
        }
        return result
    }

    @Test(arguments: [
        ("<a/>", ["a="]),
        (
            "\u{feff}<?xml version=\"1.0\"?>\n<!-- c --><a x='1>' y = \"<\"><b>1</b>\n<b/>t</a>\n",
            ["a/b=1", "a/b=", "a=\nt"]
        ),
        ("<s:a xmlns:s='u'><s:b>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#x65e5;</s:b></s:a>", ["a/b=<&>\"'AB日", "a="]),
        ("<a><![CDATA[<x>&amp;]]></a >", ["a=<x>&amp;"]),
    ])
    func elementsAreRead(_ text: String, _ expected: [String]) throws {
        #expect(try elements(text) == expected)
    }

    @Test(arguments: [
        "", " ", "<", "<a", "<a>", "<a></b>", "</a>", "<a/><b/>", "x<a/>", "<a/>x", "<a>&</a>", "<a>&unknown;</a>",
        "<a>&#xd800;</a>", "<a>&#99999999;</a>", "<a>&#;</a>", "<a b></a>", "<a b=c></a>", "<a b='c></a>", "<!--",
        "<![CDATA[x]]><a/>", "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "<?xml", "<a><![CDATA[x</a>", "< a/>",
        String(repeating: "<a>", count: 40) + String(repeating: "</a>", count: 40),
    ])
    func whatIsNoXMLIsRefused(_ text: String) { #expect(throws: XMLError.self) { try elements(text) } }

    @Test func textThatIsNoUTF8IsRefused() {
        #expect(throws: XMLError.self) {
            try XMLReader.read([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e]) { (_, _) throws(XMLError) in }
        }
    }

    static let listing = """
        <?xml version="1.0" encoding="UTF-8"?>
        <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>x</Prefix>
        <NextContinuationToken>1ue/GcxLPRx1Tr=</NextContinuationToken><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys>
        <IsTruncated>true</IsTruncated>
        <Contents><Key>x%20y%2B+%E6%97%A5</Key><LastModified>2026-11-20T17:39:55.000Z</LastModified>
        <ETag>&quot;70ee1738b6b21e2c8a43f3a5ab0eee71&quot;</ETag><Size>11</Size><Owner><ID>1</ID></Owner></Contents>
        <Contents><Size>0</Size><Key>xz</Key></Contents>
        <CommonPrefixes><Prefix>x/</Prefix></CommonPrefixes><EncodingType>url</EncodingType></ListBucketResult>
        """

    @Test func aListingIsRead() throws {
        let page = try S3ListPage(Array(Self.listing.utf8))
        #expect(
            page.blobs == [
                Blob(
                    name: "x y+ 日", size: 11, modified: 1_795_196_395_000_000_000,
                    version: "70ee1738b6b21e2c8a43f3a5ab0eee71"),
                Blob(name: "xz", size: 0),
            ])
        #expect(page.isTruncated == true)
        #expect(page.nextToken == "1ue/GcxLPRx1Tr=")
        let raw = try S3ListPage(
            Array("<ListBucketResult><Contents><Key>x+%20</Key><Size>1</Size></Contents></ListBucketResult>".utf8))
        #expect(raw.blobs == [Blob(name: "x+%20", size: 1)])
        #expect(raw.isTruncated == nil && raw.nextToken == nil)
    }

    @Test(arguments: [
        "<html></html>", "<ListBucketResult><Contents><Key>x</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>x</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>x</Key><Size>99999999999999999999</Size></Contents></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%</Key><Size>1</Size></Contents></ListBucketResult>",
    ])
    func aListingThatMakesNoSenseIsRefused(_ text: String) {
        #expect(throws: XMLError.self) { try S3ListPage(Array(text.utf8)) }
    }

    /// Damaged listings are read or refused, but never crash; the seed is printed to try one again.
    @Test func damagedListingsAreReadOrRefused() {
        let seed = UInt64.random(in: .min ... .max)
        print("XMLReaderTests.damagedListingsAreReadOrRefused: seed \(seed)")
        var random = SeededGenerator(seed: seed)
        let pieces = ["<", ">", "</", "/>", "&", ";", "<![CDATA[", "]]>", "<!--", "'", "=", "&#x", "\u{0}", "Contents"]
        var refused = 0
        for _ in 0..<3000 {
            var bytes = Array(Self.listing.utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                let end = Int.random(in: at...min(bytes.count, at + 30), using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
                case 1: bytes.removeSubrange(at..<end)
                case 2:
                    bytes.insert(contentsOf: pieces.randomElement(using: &random).map { Array($0.utf8) } ?? [], at: at)
                case 3: bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0..<bytes.count, using: &random))
                default: bytes.removeSubrange(at...)
                }
                if bytes.isEmpty { bytes = [0x3c] }
            }
            do throws(XMLError) {
                let page = try S3ListPage(bytes)
                if page.blobs.contains(where: { $0.size < 0 }) { Issue.record("negative size, seed \(seed)") }
            } catch {
                refused += 1
                if error.description.contains(where: \.isNewline) { Issue.record("two lines, seed \(seed)") }
            }
            _ = S3ErrorAnswer(bytes)
        }
        #expect(refused > 300)
    }
}
