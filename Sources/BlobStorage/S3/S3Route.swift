import HTTP
import Support
import Synchronization

/// The place that requests of a storage are sent to: the configured one, or another one that the server has named.
final class S3Route: Sendable {
    let redirects: S3Redirects
    private let learnt = Mutex<S3Target?>(nil)

    init(_ options: S3Options) throws(BlobStoreError) {
        let endpoint = try S3Endpoint(
            endpointURL: options.endpointURL, region: options.region, bucket: options.bucket,
            addressing: options.addressing)
        redirects = S3Redirects(
            start: S3Target(endpoint: endpoint, region: options.region), learnsRegion: options.learnsRegion)
    }

    /// The place for the next request.
    var current: S3Target { learnt.withLock { $0 } ?? redirects.start }

    /// Sends a request, and once more if the server names another place, which is remembered if it is right.
    ///
    /// - Parameter perform: signs a request for a place, and sends it.
    /// - Returns: the last answer, and the place that it is from.
    func send(
        _ request: S3Request, _ perform: (S3Target) throws -> HTTPAnswer
    ) throws -> (answer: HTTPAnswer, target: S3Target) {
        let first = current
        let answer: HTTPAnswer
        do {
            answer = try perform(first)
        } catch let error as RequestFailure {
            // The server has to name it again.
            learnt.withLock { if $0 == first { $0 = nil } }
            throw error
        }
        guard !(200..<300).contains(answer.status),
            case .follow(let second) = direction(answer, request, from: first)
        else { return (answer, first) }
        let next = try perform(second)
        // A missing object or bucket is missing at the right place.
        if (200..<300).contains(next.status) || next.status == 404 { learnt.withLock { $0 = second } }
        return (next, second)
    }

    /// What an answer says about the right place for a request.
    func direction(_ answer: HTTPAnswer, _ request: S3Request, from target: S3Target) -> S3Direction {
        redirects.direction(answer, S3ErrorAnswer(answer.body), key: request.key, from: target)
    }
}
