import Support

/// The address of a bucket.
struct S3Endpoint: Sendable, Hashable {
    /// "https" or "http".
    var scheme: String
    /// Host and, if it is not the default, port, without the bucket.
    private(set) var service: String
    /// The encoded path of the service. No `/` at the end.
    let basePath: String
    let bucket: String
    /// Whether the bucket is part of the host name.
    private(set) var isInHost: Bool
    /// Whether the region is part of the host name, because the service is AWS as a whole.
    let followsRegion: Bool
    /// Whether the server runs on this machine, for which no proxy is used.
    let isLocal: Bool

    /// Host and, if it is not the default, port: the signed value of the Host header.
    var authority: String { isInHost ? "\(bucket).\(service)" : service }
    /// The encoded path before the key: base path and, with path-style addressing, the bucket. No `/` at the end.
    var bucketPath: String { isInHost ? basePath : "\(basePath)/\(percentEncoded(bucket))" }

    /// - Parameters:
    ///   - endpointURL: empty means AWS.
    ///   - addressing: the position of the bucket. ``S3Options/Addressing/auto`` puts it into the host name like minio-go:
    ///     for AWS, Google and Alibaba, if the bucket's name is one label of a host name (with http, several).
    init(
        endpointURL: String, region: String, bucket: String, addressing: S3Options.Addressing = .auto
    ) throws(BlobStoreError) {
        guard !bucket.isEmpty else { throw BlobStoreError(.other, nil, .noBucket) }
        guard !bucket.utf8.contains(UInt8(ascii: "/")), bucket != ".", bucket != ".." else {
            throw BlobStoreError(.other, nil, .badBucketName(bucket))
        }
        guard Self.isRegion(region) else { throw BlobStoreError(.other, nil, .badRegion(region)) }
        var parts = (scheme: "https", authority: Self.serviceOfAWS(region), path: "")
        var followsRegion = true
        if !endpointURL.isEmpty {
            let given = try Self.parse(endpointURL)
            // AWS answers there for all regions, but redirects the requests for most buckets.
            followsRegion = given.authority == "s3.amazonaws.com"
            parts = followsRegion ? (given.scheme, parts.authority, given.path) : given
        }
        let host = String(parts.authority.prefix { $0 != ":" })
        isLocal =
            host.hasPrefix("127.") || parts.authority.hasPrefix("[::1]") || host == "localhost"
            || host.hasSuffix(".localhost")
        let isInHost: Bool
        switch addressing {
        case .path: isInHost = false
        case .auto: isInHost = Self.wantsBucketInHost(host) && Self.fitsHost(bucket, dots: parts.scheme == "http")
        case .virtual:
            isInHost = true
            guard Self.fitsHost(bucket, dots: true), host.utf8.contains(where: { isLetter($0) }),
                !host.hasPrefix("[")
            else { throw BlobStoreError(.other, nil, .noHostName(bucket: bucket, host: host)) }
        }
        scheme = parts.scheme
        service = parts.authority
        basePath = parts.path
        self.bucket = bucket
        self.isInHost = isInHost
        self.followsRegion = followsRegion
    }

    /// The host of a region of AWS.
    static func serviceOfAWS(_ region: String) -> String { "s3.\(region).\(domainOfAWS(region))" }

    static func domainOfAWS(_ region: String) -> String {
        region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
    }

    /// The same at another server of the service.
    func at(service: String, isInHost: Bool) -> S3Endpoint {
        var other = self
        (other.service, other.isInHost) = (service, isInHost)
        return other
    }

    /// Whether a text can be a region.
    static func isRegion(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { isNameByte($0) || $0 == UInt8(ascii: "_") }
    }

    /// Whether a service expects buckets in the host name.
    private static func wantsBucketInHost(_ host: String) -> Bool {
        if host == "storage.googleapis.com" || host.hasSuffix(".aliyuncs.com") { return true }
        guard host.hasSuffix(".amazonaws.com") || host.hasSuffix(".amazonaws.com.cn") else { return false }
        return host.hasPrefix("s3.") || host.hasPrefix("s3-")
    }

    /// Whether a bucket's name is valid in a host name, which has only lower case.
    ///
    /// - Parameter dots: whether it may be more than one label. Certificates cover one.
    static func fitsHost(_ bucket: String, dots: Bool) -> Bool {
        let labels = bucket.split(separator: ".", omittingEmptySubsequences: false)
        return (dots || labels.count == 1) && bucket.utf8.count <= 63
            && labels.allSatisfy { label in
                label.utf8.allSatisfy { isNameByte($0) && !isUpper($0) } && !label.isEmpty && !label.hasPrefix("-")
                    && !label.hasSuffix("-")
            }
    }

    /// The path of an object, or of the bucket, percent-encoded.
    func path(key: String?) -> String {
        if let key { return "\(bucketPath)/\(percentEncoded(key, keeping: "/"))" }
        return bucketPath.isEmpty ? "/" : bucketPath
    }

    func url(path: String, query: String) -> String {
        "\(scheme)://\(authority)\(path)\(query.isEmpty ? "" : "?\(query)")"
    }

    /// Scheme, authority without a default port, and path of a URL.
    static func parse(_ text: String) throws(BlobStoreError) -> (
        scheme: String, authority: String, path: String
    ) {
        // The message must not contain a password.
        func bad(_ problem: S3EndpointProblem) -> BlobStoreError {
            BlobStoreError(.other, nil, .badEndpoint(text.utf8.contains(UInt8(ascii: "@")) ? nil : text, problem))
        }
        guard let colon = text.firstRange(of: "://") else { throw bad(.scheme) }
        let scheme = text[..<colon.lowerBound].lowercased()
        guard scheme == "https" || scheme == "http" else { throw bad(.scheme) }
        let rest = text[colon.upperBound...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") })
        else { throw bad(.characters) }
        guard !rest[..<slash].utf8.contains(UInt8(ascii: "@")) else {
            throw bad(.credentials)
        }
        var host = rest[..<slash]
        var port: Substring?
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { throw bad(.bracket) }
            let suffix = host[host.index(after: end)...]
            guard suffix.isEmpty || suffix.hasPrefix(":") else { throw bad(.port) }
            port = suffix.isEmpty ? nil : suffix.dropFirst()
            host = host[...end]
        } else if let colon = host.firstIndex(of: ":") {
            port = host[host.index(after: colon)...]
            host = host[..<colon]
        }
        guard !host.isEmpty, host != "[]" else { throw bad(.noHost) }
        var authority = String(host).lowercased()
        if let port {
            guard let number = UInt16(port), number > 0 else { throw bad(.port) }
            // HTTP clients omit the default port, and servers sign what clients send.
            if number != (scheme == "https" ? 443 : 80) { authority += ":\(number)" }
        }
        var path = rest[slash...]
        while path.hasSuffix("/") { path = path.dropLast() }
        return (scheme, authority, percentEncoded(String(path), keeping: "/%"))
    }
}

private func isLetter(_ byte: UInt8) -> Bool { isUpper(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }

private func isUpper(_ byte: UInt8) -> Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) }

private func isNameByte(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || isUpper(byte)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "-")
}
