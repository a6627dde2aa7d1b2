import CLMDB
import Foundation
import TestSupport
import Testing

@testable import LMDB

/// Damaged pages are reported; they neither end the process nor keep it busy.
@Suite(.timeLimit(.minutes(5))) struct PageDamageTests {
    /// A file with two pinned transactions, in whose tree pages bytes are changed.
    private final class Site {
        let scratch: Scratch
        let pageSize = 512
        var base: DiffBase
        var later: DiffBase
        let descriptor: Int32
        /// The pages of the trees of DBIs, and overflow pages.
        let pages: [UInt]

        init() throws {
            scratch = try Scratch()
            createLMDB(scratch.file, pageSize: pageSize, mapSize: 8 << 20)
            let environment = try scratch.open(mapSize: 8 << 20)
            var writer = RandomWriter(seed: 7, pageSize: pageSize, drops: false)
            for _ in 0..<40 { try writer.round(environment) }
            base = try DiffBase(environment)
            for _ in 0..<10 { try writer.round(environment) }
            later = try DiffBase(environment)
            descriptor = Glibc.open(scratch.file, O_RDWR | O_CLOEXEC)
            pages = try Self.treePages(base.records) + Self.treePages(later.records)
        }

        deinit { close(descriptor) }

        private static func treePages(_ records: DatabaseRecords) throws -> [UInt] {
            guard let pages = records.pages else { return [] }
            var found: [UInt] = []
            func visit(_ number: UInt) throws {
                found.append(number)
                let page = try TreePage(number, in: pages)
                for index in 0..<page.count {
                    if page.isLeaf {
                        let overflow = try page.entry(index, pages).overflowPage
                        if overflow != 0 { found.append(overflow) }
                    } else {
                        try visit(page.child(index))
                    }
                }
            }
            for database in records.databases {
                if let root = records[database]?.root { try visit(root) }
            }
            return found
        }

        func write(_ bytes: [UInt8], at offset: Int) { _ = pwrite(descriptor, bytes, bytes.count, off_t(offset)) }

        func read(_ count: Int, at offset: Int) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: count)
            _ = pread(descriptor, &bytes, count, off_t(offset))
            return bytes
        }

        /// The fault that the comparison finds; nil if it finds none.
        func compare() throws -> PageFault? {
            do {
                _ = try base.changes(to: &later)
                return nil
            } catch PageDiff.Failure.damaged(let fault, _) {
                return fault
            }
        }
    }

    @Test func randomBytes() throws {
        let site = try Site()
        var random = SeededGenerator(seed: 1)
        #expect(try site.compare() == nil)
        var faults = 0
        for _ in 0..<3000 {
            let page = Int(site.pages[Int.random(in: site.pages.indices, using: &random)])
            // Headers and offsets more often than contents.
            let place = Int.random(in: 0..<(Bool.random(using: &random) ? 64 : site.pageSize), using: &random)
            let offset = page * site.pageSize + place
            let size = min([1, 2, 8].randomElement(using: &random) ?? 1, (page + 1) * site.pageSize - offset)
            let kept = site.read(size, at: offset)
            site.write((0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }, at: offset)
            if try site.compare() != nil { faults += 1 }
            site.write(kept, at: offset)
        }
        #expect(faults > 300)
        #expect(try site.compare() == nil)
    }

    /// Each kind of damage, in a root page of the later transaction.
    @Test func eachFault() throws {
        let site = try Site()
        let database = try #require(site.later.records.databases.first { $0.name == "plain" })
        let record = try #require(site.later.records[database])
        let root = try #require(record.root)
        #expect(record.depth > 1)
        let start = Int(root) * site.pageSize
        func expect(_ fault: PageFault, _ bytes: [UInt8], at place: Int) throws {
            let kept = site.read(bytes.count, at: start + place)
            site.write(bytes, at: start + place)
            #expect(try site.compare() == fault)
            site.write(kept, at: start + place)
        }
        try expect(.otherNumber(root), [255], at: 0)
        try expect(.kind(root), [0x20], at: 10)
        try expect(.depth(root), [0x02], at: 10)
        try expect(.bounds(root), [0, 0], at: 12)
        try expect(.bounds(root), [255, 255], at: 14)
        try expect(.bounds(root), [255, 255], at: 16)
        try expect(.bounds(root), [2, 0], at: 16)
        // The first child: itself, and a page far beyond the file.
        let node = site.read(2, at: start + 16)
        let child = Int(node[0]) | Int(node[1]) << 8
        let number = withUnsafeBytes(of: root.littleEndian) { Array($0.prefix(6)) }
        try expect(.twice(root), number, at: child)
        try expect(.outside(0xffff_ffff_ffff), [UInt8](repeating: 255, count: 6), at: child)
        #expect(try site.compare() == nil)
    }
}
