import Glibc
import Support

/// The process metrics of Prometheus's client libraries, from /proc.
package struct ProcessMetrics: Sendable {
    private let cpu: MetricFamily<Counter>
    private let resident, virtual, openFiles, mostFiles, start: MetricFamily<Gauge>

    /// Creates the families.
    package init(_ registry: MetricRegistry) {
        cpu = registry.counters("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
        resident = registry.gauges("process_resident_memory_bytes", "Resident memory size in bytes.")
        virtual = registry.gauges("process_virtual_memory_bytes", "Virtual memory size in bytes.")
        openFiles = registry.gauges("process_open_fds", "Number of open file descriptors.")
        mostFiles = registry.gauges("process_max_fds", "Maximum number of open file descriptors.")
        start = registry.gauges(
            "process_start_time_seconds", "Start time of the process since the UNIX epoch in seconds.")
    }

    /// Updates the values; unreadable ones are unchanged.
    package func update() {
        if let numbers = ProcessNumbers.read() {
            cpu.with().set(total: numbers.cpuSeconds)
            resident.with().set(numbers.residentBytes)
            virtual.with().set(numbers.virtualBytes)
            if let time = numbers.startSeconds { start.with().set(time) }
        }
        if let count = ProcessNumbers.openFiles() { openFiles.with().set(count) }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            mostFiles.with().set(limit.rlim_cur == rlim_t.max ? .infinity : Double(limit.rlim_cur))
        }
    }
}

/// Figures of this process from /proc.
package struct ProcessNumbers: Sendable {
    /// CPU time on all processors.
    package var cpuSeconds: Double
    /// Memory in use.
    package var residentBytes: Int
    /// Address space in use.
    package var virtualBytes: Int
    /// Number of threads.
    package var threads: Int
    /// Start time since the UNIX epoch; nil if the boot time is unknown.
    package var startSeconds: Double?

    /// The current figures, nil without /proc.
    package static func read() -> ProcessNumbers? {
        guard let text = readText("/proc/self/stat") else { return nil }
        return ProcessNumbers(
            stat: text, boot: readText("/proc/stat"), ticks: Double(max(1, sysconf(Int32(_SC_CLK_TCK)))),
            pageSize: max(1, sysconf(Int32(_SC_PAGESIZE))))
    }

    /// - Parameters:
    ///   - stat: the text of /proc/self/stat; the program's name in it may contain anything.
    ///   - boot: the text of /proc/stat.
    init?(stat: String, boot: String?, ticks: Double, pageSize: Int) {
        guard let end = stat.lastIndex(of: ")") else { return nil }
        // From the third field on.
        let fields = stat[stat.index(after: end)...].split(whereSeparator: \.isWhitespace)
        guard fields.count > 21, let user = Double(fields[11]), let system = Double(fields[12]),
            let threads = Int(fields[17]), let start = Double(fields[19]), let virtual = Int(fields[20]),
            let resident = Int(fields[21])
        else { return nil }
        cpuSeconds = (user + system) / ticks
        self.threads = threads
        virtualBytes = virtual
        let (bytes, overflows) = resident.multipliedReportingOverflow(by: pageSize)
        residentBytes = overflows ? .max : bytes
        let line = boot?.split(separator: "\n").first { $0.hasPrefix("btime ") }
        startSeconds = line.flatMap { Double($0.dropFirst(6)) }.map { $0 + start / ticks }
    }

    /// The number of open file descriptors; nil if unknown.
    static func openFiles() -> Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // Without "." and "..", and the directory itself.
        return max(0, count - 3)
    }
}

/// The text of a file of /proc, whose size is not known in advance; nil if it cannot be read.
///
/// - Parameter limit: maximum number of bytes; the rest is ignored.
package func readText(_ path: String, limit: Int = 4 << 20) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 16 << 10)
    while bytes.count < limit {
        let count = read(descriptor, &block, block.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { return nil }
        if count == 0 { break }
        bytes += block[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
}
