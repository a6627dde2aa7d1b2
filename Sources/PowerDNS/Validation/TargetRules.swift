import PowerDNSSchema

/// What the name that a record leads to turned out to be.
enum TargetState {
    /// It has an address, or others know about it.
    case fine
    /// It has a CNAME in the data of this server.
    case alias
    /// It would have to be in the zone, and has no address there.
    case missing
    /// It is below the delegation that names it, and has no address here.
    case missingGlue
}

/// Looks up where MX, NS and SRV records lead to, in the data of this server.
struct TargetRules {
    /// Where a record is.
    struct Place {
        var id: UInt32
        var zone: DomainName
        /// The relative key of its owner, when it is the NS record of a delegation.
        var delegation: [UInt8]?
    }

    private let context: CheckContext
    private var view: DatabaseView { context.view }

    /// So many answers about other zones are remembered.
    private static let mostKnown = 4096

    init(_ context: CheckContext) { self.context = context }

    /// What the target of a record is.
    func state(of target: DomainName, from place: Place) throws -> TargetState {
        // "No such service" (RFC 2782, RFC 7505).
        if target.isRoot { return .fine }
        guard target.isSubdomain(of: place.zone) else { return try stateElsewhere(target) }
        let key = Self.ownerKey(target, in: place.zone)
        let types = try view.types(at: key, of: place.id)
        if types.hasAddress { return .fine }
        if types.hasCNAME { return .alias }
        if let child = try closestZone(target), child.name != place.zone, child.name.isSubdomain(of: place.zone) {
            return try stateElsewhere(target)
        }
        for ancestor in Self.ancestors(key) {
            let above = try view.types(at: ancestor, of: place.id)
            if above.hasNS { return ancestor == place.delegation ? .missingGlue : .fine }
            if above.hasDNAME, ancestor != key { return .fine }
        }
        return try types.exists ? .missing : stateByWildcard(key, place.id)
    }

    /// What a wildcard makes of a name that has no records.
    private func stateByWildcard(_ key: [UInt8], _ id: UInt32) throws -> TargetState {
        if try view.existsAtOrBelow(key, of: id) { return .missing }
        let asterisk = [UInt8(ascii: "*"), 0]
        for encloser in Self.ancestors(key).dropLast().reversed() {
            guard try view.existsAtOrBelow(encloser, of: id) else { continue }
            return try state(view.types(at: encloser + asterisk, of: id))
        }
        return try state(view.types(at: asterisk, of: id))
    }

    private func state(_ types: DatabaseView.OwnerTypes) -> TargetState {
        types.hasAddress ? .fine : types.hasCNAME ? .alias : .missing
    }

    /// What a name of another zone is: only a CNAME can be told from here.
    private func stateElsewhere(_ target: DomainName) throws -> TargetState {
        if let known = context.knownTargets[target] { return known }
        var state = TargetState.fine
        if let zone = try closestZone(target),
            try view.types(at: Self.ownerKey(target, in: zone.name), of: zone.id).hasCNAME
        {
            state = .alias
        }
        if context.knownTargets.count >= Self.mostKnown { context.knownTargets = [:] }
        context.knownTargets[target] = state
        return state
    }

    /// The zone of this server that a name is in.
    private func closestZone(_ name: DomainName) throws -> (id: UInt32, name: DomainName)? {
        var candidate: DomainName? = name
        while let zone = candidate {
            if let id = try view.zoneID(ZoneName(zone)) { return (id, zone) }
            candidate = zone.parent
        }
        return nil
    }

    /// The owner name relative to the zone, as `KeyName`.
    private static func ownerKey(_ name: DomainName, in zone: DomainName) -> [UInt8] {
        let key = RecordKey.bytes(domainID: 0, owner: name, zone: zone, type: .a) ?? []
        // Between the ID, and a zero and the type.
        return Array(key.dropFirst(4).dropLast(3))
    }

    /// The names from just below the apex down to this one.
    private static func ancestors(_ key: [UInt8]) -> [[UInt8]] {
        guard key.count > 1 else { return [] }
        return key.indices.filter { key[$0] == 0 }.map { Array(key[...$0]) }
    }
}
