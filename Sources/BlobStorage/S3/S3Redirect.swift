import HTTP
import Support

/// The place requests are sent to, and the region they are signed for.
struct S3Target: Sendable, Hashable {
    var endpoint: S3Endpoint
    var region: String
}

/// What the answer to a request says about the right place for it.
enum S3Direction: Sendable, Hashable {
    /// Nothing that can be followed.
    case stay
    /// The request has to be signed again, and sent there.
    case follow(S3Target)
    /// The URL of a service outside of the endpoint, without the bucket, the host of the endpoint, and the region if the answer names
    /// another one.
    case elsewhere(String, allowed: String, region: String?)
}

/// Decides whether a redirected request is sent to another place. Pure.
///
/// A signature is made for one host, but a request also contains objects and session tokens. So it is only sent to
/// the host of the endpoint and to those below it, over the same scheme and port; for AWS, whose hosts contain the region, to that
/// of the region.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html>
struct S3Redirects: Sendable {
    /// The configured target.
    let start: S3Target
    /// Whether the server may name another region, because none has been chosen.
    let learnsRegion: Bool

    /// Where a request has to go after an answer without success.
    ///
    /// - Parameters:
    ///   - detail: the body of the answer.
    ///   - key: the object of the request; nil for the bucket.
    ///   - target: the place that gave the answer.
    func direction(
        _ answer: HTTPAnswer, _ detail: S3ErrorAnswer?, key: String?, from target: S3Target
    ) -> S3Direction {
        let region = [detail?.region, answer.headers["x-amz-bucket-region"]].compactMap { $0 }
            .first { $0.utf8.count <= 40 && S3Endpoint.isRegion($0) }
        let direction: S3Direction
        switch answer.status {
        case 301, 307, 308:
            direction = redirected(answer, detail, region, key, target)
        case 400 where detail?.code == "AuthorizationHeaderMalformed" || (detail == nil && answer.body.isEmpty):
            guard learnsRegion, let region else { return .stay }
            direction = resigned(for: region, target)
        default: return .stay
        }
        return direction == .follow(target) ? .stay : direction
    }

    private func resigned(for region: String, _ target: S3Target) -> S3Direction {
        guard target.endpoint.followsRegion else {
            return .follow(S3Target(endpoint: target.endpoint, region: region))
        }
        // The region becomes part of the host name. AWS in China is another service.
        guard S3Endpoint.fitsHost(region, dots: false),
            S3Endpoint.domainOfAWS(region) == S3Endpoint.domainOfAWS(start.region)
        else { return .stay }
        let service = S3Endpoint.serviceOfAWS(region)
        return .follow(
            S3Target(
                endpoint: target.endpoint.at(service: service, isInHost: target.endpoint.isInHost), region: region))
    }

    private func redirected(
        _ answer: HTTPAnswer, _ detail: S3ErrorAnswer?, _ region: String?, _ key: String?, _ target: S3Target
    ) -> S3Direction {
        if learnsRegion, target.endpoint.followsRegion, let region, region != target.region {
            return resigned(for: region, target)
        }
        guard let place = place(in: answer, detail, key) else {
            let namesNoPlace = answer.headers["location"] == nil && detail?.endpoint == nil
            guard namesNoPlace, !target.endpoint.followsRegion, let region else { return .stay }
            return .follow(S3Target(endpoint: target.endpoint, region: region))
        }
        if place.scheme == start.endpoint.scheme, isAllowed(place.service) {
            let endpoint = start.endpoint.at(service: place.service, isInHost: place.isInHost)
            return .follow(S3Target(endpoint: endpoint, region: region ?? target.region))
        }
        // The endpoint of AWS is found by the region.
        if target.endpoint.followsRegion { return .stay }
        return .elsewhere(
            "\(place.scheme)://\(place.service)\(start.endpoint.basePath)", allowed: start.endpoint.service,
            region: region == target.region ? nil : region)
    }

    private struct Place {
        var scheme: String
        /// Without the bucket.
        var service: String
        var isInHost: Bool
    }

    /// The place named by an answer; nil if it names none, or one that is not that of the same object.
    private func place(in answer: HTTPAnswer, _ detail: S3ErrorAnswer?, _ key: String?) -> Place? {
        let (text, hasPath): (String, Bool)
        if let location = answer.headers["location"] {
            // Our query is sent again, not the one that is named.
            (text, hasPath) = (String(location.prefix { $0 != "?" && $0 != "#" }), true)
        } else if let endpoint = detail?.endpoint, !endpoint.isEmpty {
            (text, hasPath) = (endpoint.contains("://") ? endpoint : "\(start.endpoint.scheme)://\(endpoint)", false)
        } else {
            return nil
        }
        guard let url = parsed(text) else { return nil }
        let label = "\(start.endpoint.bucket)."
        let isAfterBucket = url.authority.hasPrefix(label)
        let rest = String(url.authority.dropFirst(isAfterBucket ? label.count : 0))
        if !hasPath {
            // The host of the bucket, or that of the service.
            let isInHost = isAfterBucket || start.endpoint.isInHost
            return Place(scheme: url.scheme, service: rest, isInHost: isInHost)
        }
        func names(_ isInHost: Bool) -> Bool {
            let path = start.endpoint.at(service: rest, isInHost: isInHost).path(key: key)
            return percentDecoded(url.path) == percentDecoded(path.hasSuffix("/") ? String(path.dropLast()) : path)
        }
        if isAfterBucket, names(true) { return Place(scheme: url.scheme, service: rest, isInHost: true) }
        guard names(false) else { return nil }
        return Place(scheme: url.scheme, service: url.authority, isInHost: false)
    }

    private func parsed(_ text: String) -> (scheme: String, authority: String, path: String)? {
        do throws(BlobStoreError) { return try S3Endpoint.parse(text) } catch { return nil }
    }

    /// Whether requests are sent to a host: that of the endpoint, or a name below it, at the same port.
    private func isAllowed(_ service: String) -> Bool {
        let own = start.endpoint.service
        if service == own { return true }
        // Nothing is below an address.
        let ownHost = own.prefix { $0 != ":" }
        guard own.contains(where: { $0.isLetter }), !own.hasPrefix("["), service.hasSuffix(".\(own)") else {
            return false
        }
        let labels = service.dropLast(own.count - ownHost.count).split(separator: ".", omittingEmptySubsequences: false)
        return labels.allSatisfy { S3Endpoint.fitsHost(String($0), dots: false) }
    }
}
