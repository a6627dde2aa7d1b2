import Glibc

/// An address that can't be listened on: which, why, and what to do.
package struct ListenError: Error, Equatable, CustomStringConvertible {
    /// The address as it is configured.
    package var address: String
    /// What the system says.
    package var reason: String
    /// What to do.
    package var advice: String

    /// The failure of a system call.
    ///
    /// - Parameter code: the value of `errno`.
    init(address: String, port: UInt16, code: Int32) {
        self.address = address
        reason = String(cString: strerror(code))
        advice =
            switch code {
            case EADDRINUSE: "end what listens there (`ss -ltnp 'sport = :\(port)'` names it), or choose another port"
            case EACCES, EPERM: "choose a port from 1024 on, or give the process CAP_NET_BIND_SERVICE"
            case EADDRNOTAVAIL: "choose an address of this host (`ip address` lists them), or :\(port) for all of them"
            default: "choose another address or port"
            }
    }

    /// A host name without an address.
    init(unresolved address: String, reason: String) {
        self.address = address
        self.reason = "the host name has no address: \(reason)"
        advice = "write an IP address of this host, or only the port for all of them"
    }

    /// One line.
    package var description: String { "cannot listen on \(address) (http.address): \(reason); \(advice)" }
}
