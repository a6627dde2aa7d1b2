import Glibc

/// A thread that runs the tasks of one loop, and calls a function at a time that the loop sets.
///
/// An idle loop wakes up one thread for each of these calls. A timer of Dispatch or a task that sleeps wakes up several,
/// one after the other.
package final class LoopThread: TaskExecutor {
    private let work: Work

    /// Starts the thread.
    package init() throws(SystemError) {
        work = Work()
        try work.start()
    }

    /// The thread ends when it has run the jobs that are left.
    deinit { work.change { $0.isEnded = true } }

    /// Calls `action` on this thread after a pause, instead of what was to be called before.
    package func setAlarm(after pause: Duration, _ action: @escaping @Sendable () -> Void) {
        let time = systemUptime() + pause
        work.change { $0.alarm = (time, action) }
    }

    /// Calls nothing.
    package func cancelAlarm() { work.change { $0.alarm = nil } }

    /// See `TaskExecutor`.
    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let executor = asUnownedTaskExecutor()
        work.change { $0.jobs.append((job, executor)) }
    }
}

/// What the thread has to do.
///
/// `@unchecked Sendable`: all state is used with the mutex held only.
private final class Work: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var isWaiting = false
    var jobs: [(UnownedJob, UnownedTaskExecutor)] = []
    var alarm: (time: Duration, action: @Sendable () -> Void)?
    var isEnded = false

    init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func start() throws(SystemError) {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(self)
        let run: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
            if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run() }
            return nil
        }
        let code = pthread_create(&thread, nil, run, argument.toOpaque())
        guard code == 0 else {
            argument.release()
            throw SystemError("start", "the thread of a loop", code: code)
        }
        pthread_detach(thread)
    }

    /// Changes what there is to do, on any thread.
    func change(_ body: (Work) -> Void) {
        pthread_mutex_lock(mutex)
        body(self)
        let wakes = isWaiting
        isWaiting = false
        pthread_mutex_unlock(mutex)
        if wakes { pthread_cond_signal(condition) }
    }

    private func run() {
        var batch: [(UnownedJob, UnownedTaskExecutor)] = []
        pthread_mutex_lock(mutex)
        while true {
            if let alarm, alarm.time <= systemUptime() {
                self.alarm = nil
                pthread_mutex_unlock(mutex)
                alarm.action()
                pthread_mutex_lock(mutex)
            } else if !jobs.isEmpty {
                swap(&jobs, &batch)
                pthread_mutex_unlock(mutex)
                for (job, executor) in batch { job.runSynchronously(on: executor) }
                batch.removeAll(keepingCapacity: true)
                pthread_mutex_lock(mutex)
            } else if isEnded {
                pthread_mutex_unlock(mutex)
                return
            } else {
                wait()
            }
        }
    }

    /// Waits for a change, or for the time of the alarm; may also end early.
    private func wait() {
        isWaiting = true
        if let alarm {
            let (seconds, attoseconds) = alarm.time.components
            var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
            pthread_cond_timedwait(condition, mutex, &time)
        } else {
            pthread_cond_wait(condition, mutex)
        }
        isWaiting = false
    }
}
