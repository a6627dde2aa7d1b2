import Logging
import Support

/// The log handler of the program: one event, one line.
package struct LineLogHandler: LogHandler {
    /// The fields of every event.
    package var metadata: Logger.Metadata = [:]
    /// Provides further fields for an event.
    package var metadataProvider: Logger.MetadataProvider?
    /// The lowest level that is logged.
    package var logLevel: Logger.Level {
        get { settings.level }
        set { settings.level = newValue }
    }

    private var settings: LogSettings
    private let clock: @Sendable () -> WallTime
    private let output: any LogOutput
    private let folder: LogFolder?

    /// - Parameters:
    ///   - clock: the time of an event.
    ///   - output: receives the lines.
    ///   - folder: summarises repeated lines, if set.
    package init(
        settings: LogSettings, clock: @escaping @Sendable () -> WallTime = WallTime.now,
        output: any LogOutput = FileDescriptorLogOutput(), folder: LogFolder? = nil
    ) {
        self.settings = settings
        self.clock = clock
        self.output = output
        self.folder = folder
    }

    /// One field of every event.
    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes the event as one line.
    package func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { _, new in new } }
        if let own = event.metadata { fields.merge(own) { _, new in new } }
        if let error = event.error { fields["error"] = .string(String(describing: error)) }
        let record = LogRecord(
            time: clock(), level: event.level, message: event.message.description,
            fields: fields.sorted { $0.key < $1.key })
        if let folder { folder.log(record) } else { output.write(line: settings.format.line(record, settings)) }
    }
}
