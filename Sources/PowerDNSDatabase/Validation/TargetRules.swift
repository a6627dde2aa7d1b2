import PowerDNSFormat

/// The state of a record's target.
enum TargetState {
    /// It has an address, or is in a foreign zone.
    case fine
    /// It has a CNAME in the data of this server.
    case alias
    /// It must be in the zone, but has no address there.
    case missing
    /// It is below the delegation that refers to it, and has no address here.
    case missingGlue
}

/// Resolves the targets of MX, NS and SRV records in the data of this server.
struct TargetRules {
    /// The place of a record.
    struct Place {
        var id: UInt32
        var zone: DomainName
        /// The relative key of its owner, if it is the NS record of a delegation.
        var delegation: UnsafeRawBufferPointer?
    }

    private let context: CheckContext
    private var view: DatabaseView { context.view }

    /// Maximum number of cached results for other zones.
    private static let mostKnown = 4096

    init(_ context: CheckContext) { self.context = context }

    /// The state of a record's target.
    ///
    /// - Parameter wire: the name in wire form.
    func state(of wire: UnsafeRawBufferPointer, from place: Place) throws -> TargetState {
        // "No such service" (RFC 2782, RFC 7505).
        if wire.count == 1 { return .fine }
        guard RecordKey.setOwnerKey(&context.targetKey, wire: wire, in: place.zone) else {
            if let known = context.recentTargets[wire] { return known }
            let state = try stateElsewhere(DomainName(wire: wire))
            context.recentTargets[wire] = state
            return state
        }
        let key = context.targetKey.bytes
        let types = try view.types(at: key, of: place.id)
        if types.hasAddress { return .fine }
        if types.hasCNAME { return .alias }
        if try closestZone(wire, above: place.zone.wire.count) != nil {
            return try stateElsewhere(DomainName(wire: wire))
        }
        var parent: DatabaseView.OwnerTypes?
        for end in key.indices where key[end] == 0 && key.count > 1 {
            let ancestor = UnsafeRawBufferPointer(rebasing: key[...end])
            let isItself = ancestor.count == key.count
            let above = isItself ? types : try view.types(at: ancestor, of: place.id)
            if above.hasNS { return place.delegation.map(ancestor.isSame(as:)) == true ? .missingGlue : .fine }
            if above.hasDNAME, !isItself { return .fine }
            if !isItself { parent = above }
        }
        return try types.exists ? .missing : stateByWildcard(key, place.id, types, parent: parent)
    }

    /// The state of a name without records, which a wildcard may match.
    ///
    /// - Parameters:
    ///   - types: what is at the name.
    ///   - parent: what is at the name above it; nil if that is the zone's apex.
    private func stateByWildcard(
        _ key: UnsafeRawBufferPointer, _ id: UInt32, _ types: DatabaseView.OwnerTypes, parent: DatabaseView.OwnerTypes?
    ) throws -> TargetState {
        if types.mayHaveNamesBelow, try view.existsAtOrBelow(key, of: id) { return .missing }
        var above = parent
        for end in key.indices.dropLast().reversed() where key[end] == 0 {
            let encloser = UnsafeRawBufferPointer(rebasing: key[...end])
            let exists = try above?.hasRecords == true || view.existsAtOrBelow(encloser, of: id)
            above = nil
            guard exists else { continue }
            return try state(view.types(atWildcardBelow: encloser, of: id))
        }
        return try state(view.types(atWildcardBelow: UnsafeRawBufferPointer(start: nil, count: 0), of: id))
    }

    private func state(_ types: DatabaseView.OwnerTypes) -> TargetState {
        types.hasAddress ? .fine : types.hasCNAME ? .alias : .missing
    }

    /// The state of a name in another zone: only a CNAME can be detected.
    private func stateElsewhere(_ target: DomainName) throws -> TargetState {
        if let known = context.knownTargets[target] { return known }
        var state = TargetState.fine
        let wire = target.wire
        if let zone = try wire.withUnsafeBytes({ try closestZone($0) }),
            let key = RecordKey.ownerKey(target, in: DomainName(unchecked: Array(wire.suffix(zone.size)))),
            try key.withUnsafeBytes({ try view.types(at: $0, of: zone.id) }).hasCNAME
        {
            state = .alias
        }
        if context.knownTargets.count >= Self.mostKnown { context.knownTargets = [:] }
        context.knownTargets[target] = state
        return state
    }

    /// The zone of this server that contains a name: its ID, and the size of its name in wire form.
    ///
    /// - Parameters:
    ///   - wire: the name in wire form.
    ///   - size: only zones with longer names count.
    private func closestZone(
        _ wire: UnsafeRawBufferPointer, above size: Int = 0
    ) throws -> (id: UInt32, size: Int)? {
        var start = 0
        while wire.count - start > size {
            let name = NameView(unchecked: UnsafeRawBufferPointer(rebasing: wire[start...]))
            if let id = try view.zoneID(name) { return (id, name.wire.count) }
            start += 1 + Int(wire[start])
        }
        return nil
    }
}

/// The states of the last few names: zones refer to the same servers repeatedly.
struct RecentTargets {
    private static let most = 8

    private var targets: [(wire: [UInt8], state: TargetState)] = []
    private var oldest = 0

    /// By the wire form of the name.
    subscript(wire: UnsafeRawBufferPointer) -> TargetState? {
        get {
            for target in targets where target.wire.withUnsafeBytes({ $0.isSame(as: wire) }) { return target.state }
            return nil
        }
        set {
            guard let newValue else { return }
            if targets.count < Self.most {
                targets.append((Array(wire), newValue))
            } else {
                targets[oldest] = (Array(wire), newValue)
                oldest = (oldest + 1) % Self.most
            }
        }
    }
}
