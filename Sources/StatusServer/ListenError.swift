import Glibc

/// An address that cannot be listened on, with the reason and a fix.
package struct ListenError: Error, Equatable, CustomStringConvertible {
    /// The configured address.
    package var address: String
    /// The system's error.
    package var reason: String
    /// The fix.
    package var advice: String

    /// The failure of a system call.
    ///
    /// - Parameter code: the value of `errno`.
    init(address: String, port: UInt16, code: Int32) {
        self.address = address
        reason = String(cString: strerror(code))
        advice =
            switch code {
            case EADDRINUSE: "stop what listens there (see `ss -ltnp 'sport = :\(port)'`), or choose another port"
            case EACCES, EPERM: "choose a port of 1024 or above, or give the process CAP_NET_BIND_SERVICE"
            case EADDRNOTAVAIL: "choose an address of this host (`ip address` lists them), or :\(port) for all of them"
            default: "choose another address or port"
            }
    }

    /// A host name without an address.
    init(unresolved address: String, reason: String) {
        self.address = address
        self.reason = "the host name has no address: \(reason)"
        advice = "use an IP address of this host, or only the port for all addresses"
    }

    /// One line.
    package var description: String { "cannot listen on \(address) (http.address): \(reason); \(advice)" }
}
