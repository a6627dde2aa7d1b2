import Support

/// Checks that the planned keys of each DBI are all different, as in a valid snapshot.
struct PlannedOrder: ~Copyable {
    private(set) var holds = true
    private var target = -1
    private var finished: Set<Int> = []
    private var last: KeptBytes

    init(longestKey: Int) { last = KeptBytes(capacity: longestKey) }

    @inline(__always)
    mutating func note(_ target: Int, _ key: UnsafeRawBufferPointer) {
        guard holds else { return }
        if target != self.target {
            begin(target)
        } else if compareBytes(key, last.bytes) <= 0 {
            // A bytewise comparison suffices for any sort order: a repeated key never compares as greater.
            holds = false
        }
        last.keep(key)
    }

    private mutating func begin(_ target: Int) {
        if finished.contains(target) { holds = false }
        finished.insert(self.target)
        self.target = target
    }
}
