import Testing

@testable import BlobStorage

@Suite struct UpdateMarkerRuleTests {
    private let start = ContinuousClock.now
    private let text = Array("a".utf8)
    private let blobs = [Blob(name: "main__a", size: 1)]

    private func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private func kept() -> UpdateMarker {
        var marker = UpdateMarker(forceListInterval: .seconds(300))
        marker.listed(blobs, prefix: "", marker: text, start: start)
        return marker
    }

    @Test func aListingIsValidWhileTheMarkerIsTheSame() {
        let marker = kept()
        #expect(marker.listing(prefix: "", marker: text, at: at(299)) == blobs)
        #expect(marker.listing(prefix: "", marker: text, at: at(300)) == nil)
        #expect(marker.listing(prefix: "", marker: Array("b".utf8), at: at(1)) == nil)
        #expect(marker.listing(prefix: "", marker: nil, at: at(1)) == nil)
    }

    @Test func aLocalChangeOutdatesListingsEvenIfTheMarkerCannotBeWritten() throws {
        var marker = kept()
        marker.changed(.init(name: "main__b", etag: "", isDeletion: false), at: at(1))
        let unwritten = marker.takeUnwritten(isNew: true, at: at(1))
        let change = try #require(unwritten)
        marker.failed(change, at: at(2))
        #expect(marker.listing(prefix: "", marker: text, at: at(2)) == nil)
        // One that was in progress may have missed the change.
        marker.listed(blobs, prefix: "", marker: text, start: start)
        #expect(marker.listing(prefix: "", marker: text, at: at(2)) == nil)
        let (early, late) = (
            marker.takeUnwritten(isNew: false, at: at(6)), marker.takeUnwritten(isNew: false, at: at(7))
        )
        #expect(early == nil && late == change)
    }

    @Test func aListingWithAnObjectThatDoesNotExistIsOutdated() {
        var marker = kept()
        marker.vanished()
        #expect(marker.listing(prefix: "", marker: text, at: at(1)) == nil)
    }
}
