import Glibc

/// Ensures that the program runs with a process ID of at least a given number.
///
/// LMDB marks its reader slots with process IDs. Two containers that share an LMDB have separate process IDs, usually
/// low ones; if they are equal, LMDB confuses the readers of the two. Linux assigns process IDs in ascending order, to
/// processes and threads alike. So this starts and joins threads, which is cheap, until the wanted ID is next, and then
/// runs the program again as a supervised child.
package enum PIDSupervisor {
    /// The environment variable that switches the check off; set for the child as well.
    package static let skipVariable = "LIGHTNINGSTREAM_NO_PID_CHECK"

    /// Whether a process with the ID `own` must run a child.
    static func isNeeded(minimum: Int, own: Int, environment: [String: String]) -> Bool {
        own < minimum && environment[skipVariable] == nil
    }

    /// Runs the program with the same arguments in a child with an ID of at least `minimum`.
    ///
    /// - Returns: the exit code of the child.
    static func run(minimum: Int, arguments: [String]) throws(CommandFailure) -> Int32 {
        useUp(count: minimum - Int(getpid()) - 1)
        return try supervise(
            "/proc/self/exe", arguments: arguments, environment: ProcessEnvironment.entries + ["\(skipVariable)=1"],
            minimum: minimum)
    }

    /// Uses up this many process IDs.
    static func useUp(count: Int) {
        guard count > 0 else { return }
        for _ in 0..<count {
            var thread = pthread_t()
            // A failure to start a thread uses up no ID; the check of the child's ID detects this.
            guard pthread_create(&thread, nil, { _ in nil }, nil) == 0 else { return }
            pthread_join(thread, nil)
        }
    }

    /// Starts a child, forwards signals to it and waits for its end.
    ///
    /// - Returns: its exit code, or 128 plus the number of the signal that ended it.
    static func supervise(
        _ path: String, arguments: [String], environment: [String], minimum: Int = 0
    ) throws(CommandFailure) -> Int32 {
        SignalThread.block(passedOn)
        let child = try start(path, arguments: arguments, environment: environment)
        guard child >= minimum else {
            kill(child, SIGKILL)
            var status: Int32 = 0
            waitpid(child, &status, 0)
            throw CommandFailure(.lowProcessID(Int(child), minimum: minimum))
        }
        SignalThread.start(passedOn) { signal in kill(child, signal) }
        return wait(for: child)
    }

    private static let passedOn = [SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2]

    private static func start(
        _ path: String, arguments: [String], environment: [String]
    ) throws(CommandFailure) -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var mask = SignalThread.set([])
        posix_spawnattr_setsigmask(&attributes, &mask)
        var defaults = SignalThread.set([SIGPIPE])
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        // A separate process group: otherwise a terminal's Ctrl-C would reach the child twice, from the
        // terminal and from here, and a second signal ends it at once.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var child = pid_t()
        let result = withCStrings(arguments) { arguments in
            withCStrings(environment) { environment in
                posix_spawn(&child, path, nil, &attributes, arguments, environment)
            }
        }
        guard result == 0 else {
            throw CommandFailure(.noChildProcess(result))
        }
        return child
    }

    private static func wait(for child: pid_t) -> Int32 {
        // The first process of a container inherits all orphans, and must reap them.
        let anybody = getpid() == 1
        while true {
            var status: Int32 = 0
            let ended = waitpid(anybody ? -1 : child, &status, 0)
            if ended < 0 && errno != EINTR { return ExitCode.failure }
            guard ended == child else { continue }
            let signal = status & 0x7f
            return signal == 0 ? (status >> 8) & 0xff : ExitCode.signal(signal)
        }
    }

    private static func withCStrings<R>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R
    ) -> R {
        let pointers = strings.map { strdup($0) }
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers + [nil])
    }
}
