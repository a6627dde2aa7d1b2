import Support

/// The address of a bucket.
struct S3Endpoint: Sendable, Hashable {
    /// "https" or "http".
    var scheme: String
    /// Host and, if it is not the default, port: the signed value of the Host header.
    var authority: String
    /// The encoded path before the key: base path and, with path-style addressing, the bucket. No `/` at the end.
    var bucketPath: String
    /// Whether the server runs on this machine, for which no proxy is used.
    let isLocal: Bool

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
        guard !region.isEmpty, region.utf8.allSatisfy({ isNameByte($0) || $0 == UInt8(ascii: "_") }) else {
            throw BlobStoreError(.other, nil, .badRegion(region))
        }
        let domain = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
        var parts = (scheme: "https", authority: "s3.\(region).\(domain)", path: "")
        if !endpointURL.isEmpty {
            let given = try Self.parse(endpointURL)
            // AWS answers there for all regions, but redirects the requests for most buckets.
            parts = given.authority == "s3.amazonaws.com" ? (given.scheme, parts.authority, given.path) : given
        }
        let host = String(parts.authority.prefix { $0 != ":" })
        isLocal = host.hasPrefix("127.") || parts.authority.hasPrefix("[::1]") || host == "localhost"
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
        authority = isInHost ? "\(bucket).\(parts.authority)" : parts.authority
        bucketPath = isInHost ? parts.path : "\(parts.path)/\(percentEncoded(bucket))"
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
    private static func fitsHost(_ bucket: String, dots: Bool) -> Bool {
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

    private static func parse(_ text: String) throws(BlobStoreError) -> (
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
