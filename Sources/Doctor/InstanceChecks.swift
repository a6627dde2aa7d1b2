import Config

/// The last writer to the storage with this instance's name, for one database.
struct InstanceFacts: Sendable, Equatable {
    /// A host's name, or the reason why it is unknown.
    enum Source: Sendable, Equatable {
        case none
        case unreadable(String)
        case object(name: String, hostname: String, age: Duration?)
    }

    var instance: String
    var hostname: String
    var source: Source
}

/// Checks whether another host uses this instance's name, which would hide changes of both.
enum InstanceChecks {
    /// State objects are written at least every five minutes.
    static let recent = Duration.seconds(600)

    static func check(_ facts: InstanceFacts, _ findings: inout Findings) {
        let name = "instance name"
        switch facts.source {
        case .none: findings.pass(name, "no host has written as \(facts.instance) yet")
        case .unreadable(let reason): findings.skip(name, "not checked: \(reason)")
        case .object(let object, let hostname, let age):
            guard hostname != facts.hostname else {
                return findings.pass(name, "\(facts.instance) is used by this host, \(hostname)")
            }
            let when = age.map { " \(DurationText.format(.seconds(max(0, $0.components.seconds)))) ago" } ?? ""
            let text = "\(object) was written\(when) by host \(hostname), this one is \(facts.hostname)"
            let cure =
                "set a unique instance name for each host (key instance, or --instance), unless this host was renamed or replaces that one"
            if let age, age <= recent {
                findings.fail(name, text, cure: cure)
            } else {
                findings.warn(name, text, cure: cure)
            }
        }
    }
}
