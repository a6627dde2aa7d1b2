import Support
import Testing

@testable import BlobStorage

@Suite struct CredentialLeaseTests {
    private let start = Moment(uptime: .seconds(1000), wall: WallTime(seconds: 1_800_000_000))

    private func after(_ seconds: Int64) -> Moment {
        Moment(uptime: start.uptime + .seconds(seconds), wall: WallTime(seconds: start.wall.seconds + seconds))
    }

    private func lease(lasting seconds: Int64?, random: Double = 0) -> CredentialLease<S3Credentials> {
        let expires = seconds.map { WallTime(seconds: start.wall.seconds + $0) }
        return CredentialLease(
            IssuedCredentials(credentials: S3Credentials(accessKey: "a", secretKey: "s"), expires: expires),
            at: start, interval: .seconds(15), random: random)
    }

    /// Five to ten minutes before the end, or after half of a short life.
    @Test(
        arguments: [
            (3600, 0.0, 3300), (3600, 1.0, 3000), (3600, 0.5, 3150), (900, 0.0, 600), (900, 1.0, 450), (400, 0.0, 200),
            (10, 0.0, 5),
        ])
    func renewalComesBeforeTheEnd(_ life: Int64, _ random: Double, _ expected: Int64) {
        let lease = lease(lasting: life, random: random)
        #expect(!lease.isDue(at: after(expected - 1)))
        #expect(lease.isDue(at: after(expected)))
        #expect(lease.isUsable(at: after(life - 1)))
        #expect(!lease.isUsable(at: after(life)))
    }

    @Test func withoutAnEndTheyAreReadAgainAfterTheInterval() {
        let lease = lease(lasting: nil)
        #expect(!lease.isDue(at: after(14)))
        #expect(lease.isDue(at: after(15)))
        #expect(lease.isUsable(at: after(1_000_000)))
    }

    @Test func aFailureIsPutOff() {
        var lease = lease(lasting: 3600)
        lease.putOff(at: after(3300), interval: .seconds(15), random: 0)
        #expect(!lease.isDue(at: after(3329)))
        #expect(lease.isDue(at: after(3330)))
        lease.putOff(at: after(3300), interval: .seconds(15), random: 1)
        #expect(!lease.isDue(at: after(3359)))
    }
}
