/// Makes a history that breaks a promise shorter, as long as it breaks the same one.
package enum Shrinker {
    /// How many histories are tried at most.
    private static let mostTries = 600

    /// The first promise that a history breaks; nil when it keeps all.
    ///
    /// - Parameter trace: receives a line for each thing that happens; nil for none.
    package static func violation(of scenario: Scenario, trace: ((String) -> Void)? = nil) -> Violation? {
        do {
            try World(scenario, trace: trace).run()
            return nil
        } catch let violation as Violation {
            return violation
        } catch {
            return Violation(rule: "nothing fails", text: "\(error)")
        }
    }

    /// - Returns: the shortest history that was found.
    package static func shrink(_ scenario: Scenario, rule: String) -> Scenario {
        var best = scenario
        var tries = 0
        var isShorter = true
        while isShorter, tries < mostTries {
            isShorter = false
            for candidate in candidates(best) where tries < mostTries {
                tries += 1
                guard violation(of: candidate)?.rule == rule else { continue }
                best = candidate
                isShorter = true
                break
            }
        }
        return best
    }

    private static func candidates(_ scenario: Scenario) -> [Scenario] {
        var candidates: [Scenario] = []
        func add(_ change: (inout Scenario) -> Void) {
            var candidate = scenario
            change(&candidate)
            candidates.append(candidate)
        }
        var size = scenario.steps.count / 2
        while size >= 1 {
            for start in stride(from: 0, to: scenario.steps.count, by: size) {
                add { $0.steps.removeSubrange(start..<min(start + size, $0.steps.count)) }
            }
            size /= 2
        }
        if scenario.members.count > 1 {
            for member in scenario.members.indices.reversed() { add { remove(member, from: &$0) } }
        }
        for (_, path) in Scenario.Faults.all where scenario.faults[keyPath: path] > 0 {
            add { $0.faults[keyPath: path] = 0 }
        }
        if scenario.endsWithOnce { add { $0.endsWithOnce = false } }
        if scenario.usesMarker { add { $0.usesMarker = false } }
        for (index, member) in scenario.members.enumerated() {
            if member.inspection != .none { add { $0.members[index].inspection = .none } }
            if member.isNamesake { add { $0.members[index].isNamesake = false } }
            if member.cleans { add { $0.members[index].cleans = false } }
            if member.hasSmallMap { add { $0.members[index].hasSmallMap = false } }
            if member.clockError != .zero { add { $0.members[index].clockError = .zero } }
            if member.start != .zero { add { $0.members[index].start = .zero } }
        }
        return candidates
    }

    private static func remove(_ member: Int, from scenario: inout Scenario) {
        scenario.members.remove(at: member)
        scenario.steps.removeAll { $0.member == member }
        for index in scenario.steps.indices where scenario.steps[index].member > member {
            scenario.steps[index].member -= 1
        }
    }
}

extension Scenario {
    /// The history as a short script.
    package var script: String {
        var lines = ["seed \(seed)\(usesShadows ? ", shadows" : "")"]
        if let retention { lines[0] += ", retention \(retention)" }
        if usesMarker { lines[0] += ", update marker" }
        if !storageHasClock { lines[0] += ", storage without a clock" }
        if clockStep > 1 { lines[0] += ", clocks of \(clockStep) ns" }
        for (index, member) in members.enumerated() {
            var text = "  node\(index)"
            if member.isReceiver { text += ", receives only" }
            if member.clockError != .zero { text += ", clock \(member.clockError) ahead" }
            if member.start != .zero { text += ", starts after \(member.start)" }
            if member.isNamesake && index > 0 { text += ", called node0" }
            if member.cleans { text += ", cleans" }
            if member.hasSmallMap { text += ", small map" }
            if member.inspection != .none { text += ", inspector \(member.inspection)" }
            lines.append(text)
        }
        for (name, path) in Faults.all where faults[keyPath: path] > 0 {
            lines.append("  fault \(name) \((faults[keyPath: path] * 1000).rounded() / 1000)")
        }
        for step in steps { lines.append("  after \(step.pause) node\(step.member): \(step.action)") }
        if endsWithOnce { lines.append("  somebody joins who runs once") }
        return lines.joined(separator: "\n")
    }
}
