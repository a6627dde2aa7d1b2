import Support

/// Whether the planned keys of each database are all different, as those of a well-formed snapshot are.
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
            // Bytewise whatever the sort order: only a repetition matters, and that never looks like a rise.
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
