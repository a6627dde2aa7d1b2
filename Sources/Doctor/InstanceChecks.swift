import Config

/// What was last written to the storage under our own instance name, for one database.
struct InstanceFacts: Sendable, Equatable {
    /// Another text than a name: nothing has been written, or it could not be read.
    enum Source: Sendable, Equatable {
        case none
        case unreadable(String)
        case object(name: String, hostname: String, age: Duration?)
    }

    var instance: String
    var hostname: String
    var source: Source
}

/// Whether another host uses our instance name: then each hides the other's changes.
enum InstanceChecks {
    /// State objects are written at least every five minutes.
    static let recent = Duration.seconds(600)

    static func check(_ facts: InstanceFacts, _ findings: inout Findings) {
        let name = "instance name"
        switch facts.source {
        case .none: findings.pass(name, "nobody has written as \(facts.instance) yet")
        case .unreadable(let reason): findings.skip(name, "not checked: \(reason)")
        case .object(let object, let hostname, let age):
            guard hostname != facts.hostname else {
                return findings.pass(name, "\(facts.instance) is used by this host, \(hostname)")
            }
            let when = age.map { " \(DurationText.format(.seconds(max(0, $0.components.seconds)))) ago" } ?? ""
            let text = "\(object) was written\(when) by host \(hostname), this one is \(facts.hostname)"
            let cure =
                "give each host an instance name of its own (key instance, or --instance); if this host was renamed or replaces that one, it is well"
            if let age, age <= recent {
                findings.fail(name, text, cure: cure)
            } else {
                findings.warn(name, text, cure: cure)
            }
        }
    }
}
